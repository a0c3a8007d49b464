"""The best point of a study."""

from collections.abc import Iterable, Sequence

from gatefront.search.results.pareto import best_under_budget
from gatefront.search.results.records import StudyView, TrialPoint


def best_point(points: Iterable[TrialPoint]) -> TrialPoint | None:
    """The feasible point with the best Δ_MTL, the cheaper one of equals, then the earlier in ``points``.

    It is on the front, or it was confirmed: another point is not worth a look.
    """
    return best_of([point for point in points if point.is_feasible and (point.on_front or point.confirmation)])


def best_of(points: Sequence[TrialPoint]) -> TrialPoint | None:
    """The point to take, if all keep to what is asked.

    The best Δ_MTL, by its mean where a point is confirmed. One that is not confirmed must lie above the interval of the
    best confirmed one: what it has measured once may be luck by as much.
    """
    best = _highest(points)
    confirmed = _highest([point for point in points if point.confirmation is not None])
    if best is None or confirmed is None or confirmed.confirmation is None or best.confirmation is not None:
        return best
    return best if (best.delta_mtl or 0.0) >= confirmed.confirmation.high else confirmed


def _highest(points: Sequence[TrialPoint]) -> TrialPoint | None:
    best = best_under_budget([(point.expected_delta_mtl or 0.0, point.flops or 0) for point in points], None)
    return None if best is None else points[best]


def front_points(view: StudyView) -> list[TrialPoint]:
    """The points on the front, the cheapest first."""
    return sorted(view.front, key=lambda point: (point.flops or 0, point.number, point.derived))
