"""StudyRowsCache: a study's rows in memory, updated by reading only the trials that changed."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from gatefront.search.results.confirmation import Key
from gatefront.search.results.outcome import Point
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.cache.ordered_merge import ordered_merge
from gatefront.search.snapshots.study_rows import (
    RawNetwork,
    RawTrial,
    StudyRows,
    marked_number,
    read_marks,
    read_study_rows,
)
from gatefront.search.storage.tables.schema import StudyRow

# A query that names more trials than this takes longer than one for all of them.
_MOST_NAMED = 300
_UNFINISHED = (TrialState.QUEUED, TrialState.RUNNING)


class StudyRowsCache:
    """Rows of a study by trial, and the marks by which the next read finds changes."""

    def __init__(self) -> None:
        self.trials: dict[int, RawTrial] = {}
        self.networks: dict[Key, RawNetwork] = {}
        self._marks: frozenset[str] = frozenset()
        self._open: set[int] = set()
        self._values: dict[Key, Point] = {}
        self._latencies: dict[Key, float] = {}
        self._confirms: dict[int, int] = {}
        self._keys: dict[int, set[Key]] = {}
        self._on_test: Mapping[Key, SplitFigures] = {}

    def update(self, session: Session, row: StudyRow) -> tuple[StudyRows, set[Key]]:
        """Return the study as it is now, and the keys of all points that may have changed or are gone."""
        marks = read_marks(session, row.name)
        changed = {marked_number(mark) for mark in marks - self._marks} | self._open
        read = read_study_rows(session, row, changed if len(changed) <= _MOST_NAMED else None)
        gone = {key for number in changed for key in self._keys.get(number, ())}
        self._take(read, changed)
        self._marks = marks
        self._open = self._open - changed | {number for number in changed if self._may_change(number)}
        tested = self._tested(read)
        return self._rows(read), gone | tested | {key for number in changed for key in self._keys[number]}

    def _tested(self, read: StudyRows) -> set[Key]:
        """Return the points whose figures on the test split changed: their own, or those of a replicate."""
        before, self._on_test = self._on_test, read.on_test
        moved = {key for key in before.keys() | read.on_test.keys() if before.get(key) != read.on_test.get(key)}
        originals = {(self._confirms[number], derived) for number, derived in moved if number in self._confirms}
        return {key for key in moved | originals if key[0] in self.trials}

    def _may_change(self, number: int) -> bool:
        """Return whether each read has to include this trial, as it may change while its mark stays the same.

        Such a trial is unfinished, or it ended without recorded seconds, so its epochs are counted.
        """
        trial = self.trials[number]
        return trial.state in _UNFINISHED or (trial.seconds is None and trial.epoch > 0)

    def _take(self, read: StudyRows, changed: Collection[int]) -> None:
        networks = {key: network for key, network in read.networks.items() if key[0] in changed}
        for key in [key for number in changed for key in self._keys.get(number, ())]:
            self._values.pop(key, None)
            self._latencies.pop(key, None)
            self.networks.pop(key, None)
        self.trials = ordered_merge(
            self.trials, {trial.number: trial for trial in read.trials if trial.number in changed}
        )
        self.networks.update(networks)
        self._keys.update((number, {(number, 0)}) for number in changed)
        for key in networks:
            self._keys[key[0]].add(key)
        self._values.update((key, value) for key, value in read.values.items() if key[0] in changed)
        self._latencies.update((key, value) for key, value in read.latencies.items() if key[0] in changed)
        self._confirms.update(read.confirms)

    def _rows(self, read: StudyRows) -> StudyRows:
        return replace(
            read,
            trials=list(self.trials.values()),
            networks=self.networks,
            values=self._values,
            latencies=self._latencies,
            confirms=self._confirms,
        )
