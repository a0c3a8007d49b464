"""Choice of a point under a person's budget, with floors for tasks that must not lose too much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from gatefront.dashboards.presentation.cost_axis import AxisName, CostAxis
from gatefront.search.results.best_point import best_of
from gatefront.search.results.pareto import pareto_front
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Choice of a person on the front.

    ``budget`` is the most that a point may cost on the axis, and None means the study's own. ``floors`` holds, by task,
    the most that it may lose against its single-task network, in percent. ``selected`` holds the labels of highlighted
    points. None means no selection.
    """

    axis: AxisName = "flops"
    budget: float | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    selected: frozenset[str] | None = None


def complete_points(view: StudyView, axis: CostAxis) -> list[TrialPoint]:
    """Return the points that have a place on the plot: complete, with a Δ_MTL and a cost."""
    complete = [p for p in view.all_points if p.delta_mtl is not None and p.state is TrialState.COMPLETE]
    return complete if axis.name == "flops" else [point for point in complete if axis.cost(point) is not None]


def front_of(points: Sequence[TrialPoint], axis: CostAxis, *, is_plain: bool) -> list[TrialPoint]:
    """Return the points that no other point dominates, the cheapest first.

    If only the study's own rules decide (``is_plain``), this is the study's own front, which considers intervals and
    latency.
    """
    if is_plain and axis.name == "flops":
        found = [point for point in points if point.on_front]
    else:
        able = [point for point in points if point.is_feasible]
        best = pareto_front([(point.expected_delta_mtl or 0.0, axis.cost(point) or 0.0) for point in able])
        found = [point for point, is_best in zip(able, best, strict=True) if is_best]
    return sorted(found, key=lambda point: (axis.cost(point) or 0.0, point.number, point.derived))


def kept_by_floors(points: Sequence[TrialPoint], view: StudyView, floors: Mapping[str, float]) -> Sequence[TrialPoint]:
    """Return the points in which no task loses more than its floor allows.

    A point that lacks a metric of such a task is left out.
    """
    if not floors:
        return points
    return [point for point in points if all(_gain(view, point, task) >= -most for task, most in floors.items())]


def _gain(view: StudyView, point: TrialPoint, task: str) -> float:
    return task_deltas(view, point).get(task, float("-inf"))


def task_deltas(view: StudyView, point: TrialPoint) -> dict[str, float]:
    """Return each task's change against its single-task network in percent. Positive is better."""
    alone = next((r.metrics for r in view.references if r.kind == "single_task"), {})
    return {
        task.name: (100 if task.higher_is_better else -100)
        * (point.metrics[task.name] - alone[task.name]) / alone[task.name]
        for task in view.summary.tasks
        if task.name in point.metrics and alone.get(task.name)
    }  # fmt: skip


def chosen_best(view: StudyView, points: Sequence[TrialPoint], axis: CostAxis, choice: Choice) -> TrialPoint | None:
    """Return the best of these points within the requested budget and the study's own ones, or None if none fits."""
    if choice.budget is None and not choice.floors:
        return view.best
    most = axis.budget if choice.budget is None else choice.budget
    able = [point for point in points if point.is_feasible and (most is None or (axis.cost(point) or 0.0) <= most)]
    if not choice.floors and axis.name == "flops":
        # The best point under a smaller budget is on the front, or has replicates.
        able = [point for point in able if point.on_front or point.confirmation is not None]
    return best_of(able)


def knee(front: Sequence[TrialPoint], axis: CostAxis) -> TrialPoint | None:
    """Return the front's point farthest above the line from its cheapest to its best one, in shares of both ranges.

    See V. Satopää et al., Finding a "Kneedle" in a Haystack, ICDCS Workshops 2011. The result is None if no point is
    above the line.
    """
    if len(front) < 3:
        return None
    costs = [axis.cost(point) or 0.0 for point in front]
    deltas = [point.expected_delta_mtl or 0.0 for point in front]
    width, height = max(costs) - min(costs), max(deltas) - min(deltas)
    if not width or not height:
        return None
    above = [(d - min(deltas)) / height - (c - min(costs)) / width for c, d in zip(costs, deltas, strict=True)]
    highest = max(above)
    return front[above.index(highest)] if highest > 0 else None


def thinned(points: Sequence[TrialPoint], most: int) -> list[TrialPoint]:
    """Return at most ``most`` of the points, as a sample that stays the same while others come."""
    if len(points) <= most:
        return list(points)
    return nsmallest(most, points, key=_draw)


def _draw(point: TrialPoint) -> int:
    # Knuth's multiplicative hash spreads neighboring numbers evenly.
    return (point.number * 2_654_435_761 + point.derived * 40_503) & 0xFFFFFFFF
