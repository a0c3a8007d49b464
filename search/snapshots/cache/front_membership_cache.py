"""FrontMembershipCache: the front status of every point of a study, updated only near the front."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from gatefront.search.results.confirmation import Key
from gatefront.search.snapshots.front_membership import FrontStatus, budgets_of, front_statuses, nondominated
from gatefront.search.snapshots.study_rows import StudyRows
from gatefront.spaces.budgets.budgets import Budgets


class FrontMembershipCache:
    """Cached result of `gatefront.search.snapshots.front_membership.front_statuses` for all points.

    A point without replicates that another such point dominates is on no front. It does not affect any other point's
    status either. So only the few remaining points, and those with replicates, are compared with new ones.
    """

    def __init__(self) -> None:
        self.found: dict[Key, FrontStatus] = {}
        self._near: set[Key] = set()
        self._repeated: set[Key] = set()
        self._budgets: Budgets | None = None

    def update(self, rows: StudyRows, changed: Collection[Key]) -> set[Key]:
        """Update the cache. Return the keys of points whose status may have changed or that are gone.

        ``changed`` are the keys of points whose value, latency or presence may differ.
        """
        repeated, budgets = _repeated(rows), budgets_of(rows)
        has_only_grown = (
            repeated == self._repeated and budgets == self._budgets and self.found.keys().isdisjoint(changed)
        )
        self._repeated, self._budgets = repeated, budgets
        if has_only_grown:
            return self._grow(rows, {key for key in changed if key in rows.values})
        before, self.found, self._near = self.found, {}, set()
        self._grow(rows, set(rows.values))
        return {key for key in before.keys() | self.found.keys() if before.get(key) != self.found.get(key)}

    def _grow(self, rows: StudyRows, arrived: set[Key]) -> set[Key]:
        moved = arrived | self._near
        compared = self._near | arrived | self._repeated
        budgets = budgets_of(rows)
        for key in moved:
            over = budgets.exceeded_by(rows.values[key][1], rows.latencies.get(key))
            self.found[key] = FrontStatus(is_feasible=not over, on_front=False, exceeds=over)
        once = (key for key in compared - self._repeated if self.found[key].is_feasible)
        self._near = nondominated(rows, _values(rows, once)) | self._repeated
        self.found.update(front_statuses(replace(rows, values=_values(rows, self._near))))
        return moved | self._near


def _repeated(rows: StudyRows) -> set[Key]:
    """Return the replicates' points and those that they repeat."""
    if not rows.confirms:
        return set()
    trials = rows.confirms.keys() | rows.confirms.values()
    return {key for key in rows.values if key[0] in trials}


def _values(rows: StudyRows, keys: Iterable[Key]) -> dict[Key, tuple[float, int]]:
    return {key: rows.values[key] for key in keys}
