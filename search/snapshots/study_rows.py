"""Rows of a study from one read transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.confirmation import Key
from gatefront.search.results.outcome import Point
from gatefront.search.results.records import StudyEvent
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.lazy_json import LazyJson
from gatefront.search.storage.tables.epochs import read_stopped, read_unfinished_seconds
from gatefront.search.storage.tables.events import read_events
from gatefront.search.storage.tables.figures_on_test import read_test_figures
from gatefront.search.storage.tables.schema import NetworkRow, ReferenceRow, StudyRow, TrialRow
from gatefront.search.storage.tables.sql import among

_TRIAL_COLUMNS = (
    TrialRow.number,
    TrialRow.state,
    TrialRow.cause,
    TrialRow.epoch,
    TrialRow.num_epochs,
    TrialRow.started_at,
    TrialRow.finished_at,
    TrialRow.seconds,
    TrialRow.confirms,
    TrialRow.void_reason,
    sa.cast(TrialRow.params, sa.Text).label("params"),
    sa.cast(TrialRow.environment, sa.Text).label("environment"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTrial:
    """Trial as read. ``environment`` is None until it has a result."""

    number: int
    state: TrialState
    cause: str
    epoch: int
    num_epochs: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    params: Mapping[str, Any]
    environment: Mapping[str, Any] | None
    confirms: int | None = None
    stopped_at: Point | None = None


class RawNetwork(NamedTuple):
    """Network of a trial as read, without its gate map. It is a tuple because a trial may have several."""

    number: int
    derived: int
    delta_mtl: float
    flops: int
    flop_target: int | None
    num_parameters: int
    latency_ms: float | None
    seconds: float
    metrics: Mapping[str, float]

    @property
    def key(self) -> Key:
        return self.number, self.derived


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRows:
    """Rows of one study from one read.

    ``networks`` are those of all ``trials`` in any state. ``values`` belong to networks that count, which are those of
    COMPLETE trials. ``latencies`` are the workers' measurements in milliseconds, also of networks that do not count.
    They are empty if the study measures none. ``confirms`` maps each replicate to the trial that it repeats.
    ``unfinished_seconds`` is the total time of the epochs of trials that have not ended. ``on_test`` has the figures on
    the test split, of all networks that have any.
    """

    row: StudyRow
    trials: Sequence[RawTrial]
    networks: Mapping[Key, RawNetwork]
    references: Sequence[ReferenceRow]
    values: Mapping[Key, Point]
    latencies: Mapping[Key, float]
    confirms: Mapping[int, int]
    events: tuple[StudyEvent, ...] = ()
    unfinished_seconds: float = 0.0
    on_test: Mapping[Key, SplitFigures] = field(default_factory=dict)

    def test_samples(self, key: Key) -> dict[int, float]:
        """Return Δ_MTL on the test split of the point's replicates, by their numbers."""
        number, derived = key
        replicates = (replicate for replicate, original in self.confirms.items() if original == number)
        samples = ((replicate, (replicate, derived)) for replicate in replicates)
        return {
            replicate: self.on_test[sample].delta_mtl
            for replicate, sample in samples
            if sample in self.on_test and sample in self.values
        }


def read_study_rows(session: Session, row: StudyRow, numbers: Collection[int] | None = None) -> StudyRows:
    """Return the rows of the whole study.

    With ``numbers`` return only these trials, with all references, events and test figures.
    """
    trials = _read_trials(session, row.name, numbers)
    networks = _read_networks(session, row.name, numbers)
    complete = {trial.number for trial in trials if trial.state is TrialState.COMPLETE}
    timed = networks if row.latency is not None else {}
    return StudyRows(
        row=row,
        trials=trials,
        networks=networks,
        references=_read_references(session, row.name),
        values={key: (found.delta_mtl, found.flops) for key, found in networks.items() if key[0] in complete},
        latencies={key: found.latency_ms for key, found in timed.items() if found.latency_ms is not None},
        confirms={trial.number: trial.confirms for trial in trials if trial.confirms is not None},
        events=read_events(session, row.name),
        unfinished_seconds=read_unfinished_seconds(session, row.name, numbers),
        on_test=read_test_figures(session, row.name),
    )


def read_marks(session: Session, study: str) -> frozenset[str]:
    """Return one mark per trial, which changes with every write to a trial that has ended.

    Marks do not show changes of other trials, because their epochs and their rows of Optuna are not read.
    """
    number, state = sa.cast(TrialRow.number, sa.Text), sa.cast(TrialRow.state, sa.Text)
    finished_at = sa.func.coalesce(sa.cast(TrialRow.finished_at, sa.Text), "")
    reason = sa.func.replace(sa.func.coalesce(TrialRow.void_reason, ""), "\n", " ")
    mark = number.concat(" ").concat(state).concat(finished_at).concat(reason)
    # Marks are read as one text because fetching thousands of rows takes several times as long.
    found = session.scalar(sa.select(sa.func.aggregate_strings(mark, "\n")).where(TrialRow.study == study))
    return frozenset(found.split("\n") if found else ())


def marked_number(mark: str) -> int:
    """Return the number of the trial that a mark of :func:`read_marks` belongs to."""
    return int(mark.partition(" ")[0])


def _read_trials(session: Session, study: str, numbers: Collection[int] | None) -> list[RawTrial]:
    query = sa.select(*_TRIAL_COLUMNS).where(TrialRow.study == study, *among(TrialRow.number, numbers))
    stopped = read_stopped(session, study, numbers)
    return [
        RawTrial(
            number=row.number,
            state=TrialState(row.state),
            # The reason of a void replaces the cause of a failure.
            cause=row.cause if row.void_reason is None else row.void_reason,
            epoch=row.epoch,
            num_epochs=row.num_epochs,
            started_at=row.started_at,
            finished_at=row.finished_at,
            seconds=row.seconds,
            params=LazyJson(row.params),
            environment=None if row.environment is None else LazyJson(row.environment),
            confirms=row.confirms,
            stopped_at=stopped.get(row.number),
        )
        for row in session.execute(query.order_by(TrialRow.number))
    ]


def _read_networks(session: Session, study: str, numbers: Collection[int] | None) -> dict[Key, RawNetwork]:
    *plain, metrics = [getattr(NetworkRow, name) for name in RawNetwork._fields]
    query = sa.select(*plain, sa.cast(metrics, sa.Text)).where(
        NetworkRow.study == study, *among(NetworkRow.number, numbers)
    )
    rows = session.execute(query.order_by(NetworkRow.number, NetworkRow.derived))
    networks = (RawNetwork._make((*plain, LazyJson(text))) for *plain, text in rows)
    return {network.key: network for network in networks}


def _read_references(session: Session, study: str) -> Sequence[ReferenceRow]:
    return session.scalars(sa.select(ReferenceRow).where(ReferenceRow.study == study).order_by(ReferenceRow.role)).all()
