"""StudyViewCache: one study's page in memory, updated at the cost of what changed."""

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
    ordered_points,
    reference_frame,
    reference_points,
    revision,
    study_state,
    trial_point,
)
from gatefront.search.storage.tables.schema import StudyRow


class StudyViewCache:
    """Cached result of `gatefront.search.snapshots.study_view.study_view`. Simultaneous requests share one read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows = StudyRowsCache()
        self._front = FrontMembershipCache()
        self._points: dict[Key, TrialPoint] = {}
        self._hypervolume = GrowingHypervolume(None)
        self._view: StudyView | None = None

    def view(self, session: Session, row: StudyRow, now: datetime) -> StudyView:
        """Return the page as this transaction sees it. ``row`` is the study's row of the same transaction."""
        with self._lock:
            if self._view is None or self._view.revision != revision(row, now):
                self._view = self._updated(session, row, now)
            # A heartbeat alone does not change the revision.
            summary = replace(self._view.summary, heartbeat_at=row.heartbeat_at)
            return replace(self._view, summary=summary)

    def _updated(self, session: Session, row: StudyRow, now: datetime) -> StudyView:
        rows, changed = self._rows.update(session, row)
        moved = self._front.update(rows, changed) | changed
        before = [self._points[key] for key in moved if key in self._points]
        self._draw(rows, study_state(row, now), moved)
        after = [self._points[key] for key in moved if key in self._points]
        points = ordered_points(self._points.values())
        self._grow(reference_frame(row, reference_points(rows)), before, after, points)
        return assembled_view(rows, points, self._hypervolume.points, now)

    def _draw(self, rows: StudyRows, state: StudyState, moved: set[Key]) -> None:
        """Renew the points that moved. Remove derived points that no longer count."""
        trials, front_statuses = self._rows.trials, self._front.found
        points = {
            key: trial_point(trials[key[0]], key, rows, state, front_statuses)
            for key in moved
            if not key[1] or key in rows.values
        }
        for key in moved - points.keys():
            self._points.pop(key, None)
        self._points = ordered_merge(self._points, points)

    def _grow(
        self, frame: ReferenceFrame | None, before: list[TrialPoint], after: list[TrialPoint], points: ViewPoints
    ) -> None:
        """Add new points to the hypervolume. Start it anew if an earlier part of its history changed."""
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
