"""StudyViewCache: one study's page in memory, brought up to date at the cost of what changed."""

from dataclasses import replace
from datetime import datetime
from threading import Lock

from sqlalchemy.orm import Session

from gatefront.search.results.confirmation import Key
from gatefront.search.results.hypervolume import GrowingHypervolume
from gatefront.search.results.pareto import ReferenceFrame
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.cache.front_membership_cache import FrontMembershipCache
from gatefront.search.snapshots.cache.ordered_merge import ordered_merge
from gatefront.search.snapshots.cache.study_rows_cache import StudyRowsCache
from gatefront.search.snapshots.study_rows import StudyRows
from gatefront.search.snapshots.study_view import (
    ViewPoints,
    assembled_view,
    derived_point,
    ordered_points,
    reference_frame,
    reference_points,
    revision,
    study_state,
    trial_point,
)
from gatefront.search.storage.tables.schema import StudyRow


class StudyViewCache:
    """Result of `gatefront.search.snapshots.study_view.study_view`, kept. Requests at once share one read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._facts = StudyRowsCache()
        self._places = FrontMembershipCache()
        self._trials: dict[int, TrialPoint] = {}
        self._derived: dict[Key, TrialPoint] = {}
        self._hypervolume = GrowingHypervolume(None)
        self._view: StudyView | None = None

    def view(self, session: Session, row: StudyRow, now: datetime) -> StudyView:
        """The page as this transaction sees it; ``row`` is the study's, of the same transaction."""
        with self._lock:
            if self._view is None or self._view.revision != revision(row, now):
                self._view = self._updated(session, row, now)
            # The heartbeat alone raises no revision.
            summary = replace(self._view.summary, heartbeat_at=row.heartbeat_at)
            return replace(self._view, summary=summary)

    def _updated(self, session: Session, row: StudyRow, now: datetime) -> StudyView:
        facts, changed = self._facts.update(session, row)
        moved = self._places.update(facts, changed) | changed
        before = [point for point in map(self._point, moved) if point is not None]
        self._draw(facts, study_state(row, now), moved)
        after = [point for point in map(self._point, moved) if point is not None]
        points = ordered_points(self._trials.values(), self._derived.values())
        self._grow(reference_frame(row, reference_points(facts)), before, after, points)
        return assembled_view(facts, points, self._hypervolume.points, now)

    def _point(self, key: Key) -> TrialPoint | None:
        return self._derived.get(key) if key[1] else self._trials.get(key[0])

    def _draw(self, facts: StudyRows, state: StudyState, moved: set[Key]) -> None:
        """New points for those that moved; trials first, as derived points have their trial's state."""
        places, kept = self._places.found, self._facts
        trials = {number: trial_point(kept.trials[number], facts, state, places) for number, _ in moved}
        self._trials = ordered_merge(self._trials, trials)
        derived = {
            key: derived_point(kept.derived[key], self._trials[key[0]], facts, places)
            for key in moved
            if key in kept.derived and key in facts.values
        }
        for key in moved - derived.keys():
            self._derived.pop(key, None)
        self._derived = ordered_merge(self._derived, derived)

    def _grow(
        self, frame: ReferenceFrame | None, before: list[TrialPoint], after: list[TrialPoint], points: ViewPoints
    ) -> None:
        """Add what is new to the hypervolume; from the start where an earlier part of its history is another now."""
        counted, count = _counted(before), _counted(after)
        new = [point for key, point in count.items() if key not in counted]
        is_same = all(key in count and _worth(count[key]) == _worth(point) for key, point in counted.items())
        if is_same and frame == self._hypervolume.frame and self._hypervolume.can_take(new):
            self._hypervolume.add(new)
        else:
            self._hypervolume = GrowingHypervolume(frame)
            self._hypervolume.add(points.trials + points.derived)


def _counted(points: list[TrialPoint]) -> dict[Key, TrialPoint]:
    return {(point.number, point.derived): point for point in points if point.is_feasible and point.confirms is None}


def _worth(point: TrialPoint) -> tuple[object, ...]:
    return point.expected_delta_mtl, point.confirmation, point.flops, point.finished_at
