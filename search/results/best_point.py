"""The best point of a study."""

from collections.abc import Iterable, Sequence

from gatefront.search.results.pareto import best_under_budget
from gatefront.search.results.records import StudyView, TrialPoint


def best_point(points: Iterable[TrialPoint]) -> TrialPoint | None:
    """Return the best feasible point by :func:`best_of`, among those on the front or with replicates.

    Of equal points the cheaper one wins, then the earlier in ``points``. Points off the front without replicates are
    left out.
    """
    return best_of([point for point in points if point.is_feasible and (point.on_front or point.confirmation)])


def best_of(points: Sequence[TrialPoint]) -> TrialPoint | None:
    """Return the best of points that are all feasible; None if there are none.

    It has the best Δ_MTL, by its mean if a point is confirmed. A point that is not confirmed must reach the upper end
    of the best confirmed point's interval, because its one measurement may be too high by as much.
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
    """Return the points on the front, the cheapest first."""
    return sorted(view.front, key=lambda point: (point.flops or 0, point.number, point.derived))
