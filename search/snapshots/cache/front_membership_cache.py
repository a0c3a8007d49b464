"""FrontMembershipCache: the front status of every point of a study, updated only near the front."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from gatefront.search.results.confirmation import Key
from gatefront.search.snapshots.front_membership import FrontStatus, budgets_of, nondominated, places
from gatefront.search.snapshots.study_rows import StudyRows
from gatefront.spaces.budgets.budgets import Budgets


class FrontMembershipCache:
    """Cached result of `gatefront.search.snapshots.front_membership.places` for all points.

    A point without replicates that another such point dominates is on no front. It does not affect any other point's
    status either. So only the few remaining points, and those with replicates, are compared with new ones.
    """

    def __init__(self) -> None:
        self.found: dict[Key, FrontStatus] = {}
        self._near: set[Key] = set()
        self._repeated: set[Key] = set()
        self._budgets: Budgets | None = None

    def update(self, facts: StudyRows, changed: Collection[Key]) -> set[Key]:
        """Update the cache. Return the keys of points whose status may have changed or that are gone.

        ``changed`` are the keys of points whose value, latency or presence may differ.
        """
        repeated, budgets = _repeated(facts), budgets_of(facts)
        has_only_grown = (
            repeated == self._repeated and budgets == self._budgets and self.found.keys().isdisjoint(changed)
        )
        self._repeated, self._budgets = repeated, budgets
        if has_only_grown:
            return self._grow(facts, {key for key in changed if key in facts.values})
        before, self.found, self._near = self.found, {}, set()
        self._grow(facts, set(facts.values))
        return {key for key in before.keys() | self.found.keys() if before.get(key) != self.found.get(key)}

    def _grow(self, facts: StudyRows, arrived: set[Key]) -> set[Key]:
        moved = arrived | self._near
        compared = self._near | arrived | self._repeated
        budgets = budgets_of(facts)
        for key in moved:
            over = budgets.exceeded_by(facts.values[key][1], facts.latencies.get(key))
            self.found[key] = FrontStatus(is_feasible=not over, on_front=False, exceeds=over)
        once = (key for key in compared - self._repeated if self.found[key].is_feasible)
        self._near = nondominated(facts, _values(facts, once)) | self._repeated
        self.found.update(places(replace(facts, values=_values(facts, self._near))))
        return moved | self._near


def _repeated(facts: StudyRows) -> set[Key]:
    """Return the replicates' points and those that they repeat."""
    if not facts.confirms:
        return set()
    trials = facts.confirms.keys() | facts.confirms.values()
    return {key for key in facts.values if key[0] in trials}


def _values(facts: StudyRows, keys: Iterable[Key]) -> dict[Key, tuple[float, int]]:
    return {key: facts.values[key] for key in keys}
