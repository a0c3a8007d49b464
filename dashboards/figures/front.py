"""Pareto front: Δ_MTL against the cost of a network, with budgets and references."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from gatefront.dashboards.figures import front_markers as markers
from gatefront.dashboards.figures.front_points import add_points, delta, hover_text, place_of
from gatefront.dashboards.figures.front_references import (
    HARD_SHARING,
    PUBLISHED,
    RIVALS,
    SINGLE_TASK,
    add_published,
    add_reference,
    add_rivals,
)
from gatefront.dashboards.figures.theme import DELTA_AXIS, Scheme, base_figure
from gatefront.dashboards.presentation.cost_axis import CostAxis, cost_axis
from gatefront.dashboards.presentation.selection import (
    Choice,
    chosen_best,
    complete_points,
    front_of,
    kept_by_floors,
    knee,
    thinned,
)
from gatefront.search.comparison import Line
from gatefront.search.comparison.published import PublishedPoint
from gatefront.search.results.pareto import pareto_front
from gatefront.search.results.records import StudyView, TrialPoint

__all__ = (
    "BELOW_FLOOR",
    "BEST",
    "DERIVED",
    "DOMINATED",
    "FRONT",
    "HARD_SHARING",
    "KNEE",
    "MOST_DOMINATED",
    "OVER_BUDGET",
    "PUBLISHED",
    "RIVALS",
    "SINGLE_TASK",
    "STOPPED",
    "YOUR_BUDGET",
    "Layers",
    "front_figure",
    "hover_text",
)  # fmt: skip

FRONT = "On the front"
DOMINATED = "Dominated"
OVER_BUDGET = "Over budget"
BELOW_FLOOR = "Below a floor"
BEST = "Best within budget"
DERIVED = "Derived from a trial"
STOPPED = "Stopped early"
KNEE = "Knee"
YOUR_BUDGET, YOUR_BUDGET_LINE = "your-budget", "your-budget-line"
_HANDLE = 0.3  # of the plot's height
MOST_DOMINATED = 300
"""Largest number of points drawn of each kind off the front. A browser is slow with tens of thousands."""
_HEIGHT = 520


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Layers that are drawn under the study's own points."""

    published: Sequence[PublishedPoint] = ()
    rivals: Sequence[Line] = ()
    has_stopped: bool = False


def front_figure(
    view: StudyView,
    scheme: Scheme,
    *,
    hint: str = "",
    choice: Choice | None = None,
    layers: Layers | None = None,
    line_at: float | None = None,
) -> go.Figure:
    """Draw finished trials with their derived points, the front's staircase, budget lines and references.

    A point with replicates is drawn at its mean, with a bar for the 95 % interval. Every kind of point has its own
    marker, so that the plot reads without color. A derived point has the color of its kind, but is hollow and smaller.
    ``customdata`` is the point's label. ``hint`` ends the hover text, for example with the effect of a click. The
    ``choice`` decides which point is the best, and its floors take points off the front. ``line_at`` is the cost of the
    line to drag.
    """
    chosen = choice or Choice()
    axis = cost_axis(view, chosen.axis)
    figure = base_figure(scheme, height=_HEIGHT, keep=f"front-{view.summary.name}-{axis.name}")
    points = complete_points(view, axis)
    kept = kept_by_floors(points, view, chosen.floors)
    front = front_of(kept, axis, is_plain=not chosen.floors)
    window = _window(view, points, axis, line_at)
    _add_budget(figure, axis, scheme, window)
    _add_your_budget(figure, line_at, axis, scheme)
    _add_staircase(figure, front, axis, scheme, axis.budget or window[1])
    _add_others(figure, view, axis, scheme, _Off(points, kept, front), chosen.selected)
    _add_front(figure, view, axis, scheme, front, chosen.selected)
    best = chosen_best(view, kept, axis, chosen)
    add_points(figure, BEST, [] if best is None else [best], view, axis, markers.best(scheme))
    _name_derived_once(figure)
    if hint:
        figure.update_traces(hovertemplate=f"%{{hovertext}}<br><i>{hint}</i><extra></extra>", selector=_is_trials)
    _add_layers(figure, view, axis, scheme, layers or Layers(), window)
    figure.update_xaxes(title_text=axis.title, range=[window[0] / axis.divisor, window[1] / axis.divisor])
    figure.update_yaxes(title_text=DELTA_AXIS)
    return figure


class _Off:
    """Points off the front, of each kind a sample that is not too large to draw."""

    def __init__(self, points: Sequence[TrialPoint], kept: Sequence[TrialPoint], front: Sequence[TrialPoint]) -> None:
        on_front = {(point.number, point.derived) for point in front}
        kinds: dict[str, list[TrialPoint]] = {"dominated": [], "derived": [], "over": [], "below": []}
        keeps = None if kept is points else {(point.number, point.derived) for point in kept}
        for point in points:
            key = (point.number, point.derived)
            if key in on_front:
                continue
            if not point.is_feasible:
                kinds["over"].append(point)
            elif keeps is not None and key not in keeps:
                kinds["below"].append(point)
            else:
                kinds["derived" if point.derived else "dominated"].append(point)
        self.by_kind = {kind: thinned(found, MOST_DOMINATED) for kind, found in kinds.items()}


def thinned_sentence(figure: go.Figure, points: Sequence[TrialPoint]) -> str | None:
    """Return how many of the points on the figure are drawn, as a sentence, or None if all are."""
    traces = [trace for trace in figure.data if trace.customdata is not None and trace.name != STOPPED]
    shown = len({label for trace in traces for label in trace.customdata})
    if shown == len(points):
        return None
    return f"Of {len(points):,} points {shown:,} are drawn: the whole front, and of the others a fixed sample."


def _add_others(
    figure: go.Figure, view: StudyView, axis: CostAxis, scheme: Scheme, off: _Off, selected: frozenset[str] | None
) -> None:
    for name, points, marker in (
        (DERIVED, off.by_kind["derived"], markers.derived_dominated(scheme)),
        (DOMINATED, off.by_kind["dominated"], markers.dominated(scheme)),
        (BELOW_FLOOR, off.by_kind["below"], markers.below_floor(scheme)),
        (OVER_BUDGET, off.by_kind["over"], markers.over_budget(scheme)),
    ):
        add_points(figure, name, points, view, axis, marker, selected)


def _add_front(
    figure: go.Figure,
    view: StudyView,
    axis: CostAxis,
    scheme: Scheme,
    front: Sequence[TrialPoint],
    selected: frozenset[str] | None,
) -> None:
    own, derived = [point for point in front if not point.derived], [point for point in front if point.derived]
    add_points(figure, FRONT, own, view, axis, markers.on_front(scheme), selected)
    add_points(figure, DERIVED, derived, view, axis, markers.derived_on_front(scheme), selected)
    _add_number_labels(figure, front, axis, scheme)
    bend = knee(front, axis)
    add_points(figure, KNEE, [] if bend is None else [bend], view, axis, markers.knee(scheme))


def _add_layers(
    figure: go.Figure, view: StudyView, axis: CostAxis, scheme: Scheme, layers: Layers, window: tuple[float, float]
) -> None:
    for reference in view.references:
        add_reference(figure, reference, view, axis, scheme, window[1])
    add_published(figure, layers.published, axis, scheme)
    add_rivals(figure, layers.rivals, axis, scheme)
    stopped = [point for point in view.points if point.stopped_at is not None]
    if layers.has_stopped and stopped and axis.name == "flops":
        _add_stopped(figure, thinned(stopped, MOST_DOMINATED), axis, scheme)


def _add_stopped(figure: go.Figure, points: Sequence[TrialPoint], axis: CostAxis, scheme: Scheme) -> None:
    """Add trials that were stopped early, at their values of that moment, which say less than a whole training."""
    stood = [point.stopped_at or (0.0, 0) for point in points]
    figure.add_trace(
        go.Scatter(
            x=[flops / axis.divisor for _, flops in stood], y=[value for value, _ in stood],
            mode="markers", marker=markers.stopped(scheme), name=STOPPED, customdata=[point.label for point in points],
            hovertext=[f"<b>Trial {point.label}</b> · stopped early, as it stood after {point.epoch} of "
                       f"{point.num_epochs} epochs" for point in points],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )  # fmt: skip


def _window(view: StudyView, points: Sequence[TrialPoint], axis: CostAxis, chosen: float | None) -> tuple[float, float]:
    """Return the range of costs shown at first: trials, budgets and hard sharing.

    The single-task cost is left out where it would squeeze the trials into less than half of the width, because a
    budget is often less than half of it. A double click shows everything.
    """
    costs = {reference.kind: axis.of_reference(reference) for reference in view.references}
    floor = float(view.summary.floor_flops) if axis.name == "flops" else None
    found = [axis.cost(point) for point in points] + [floor, costs.get("hard_sharing"), axis.budget, chosen]
    anchors = [cost for cost in found if cost is not None] or [0.0]
    low, high = min(anchors), max(anchors)
    single = float(view.summary.single_task_flops) if axis.name == "flops" else costs.get("single_task")
    if single is not None and high - low >= 0.45 * (single - low):
        high = max(high, single)
    padding = 0.09 * ((high - low) or high or 1.0)
    return low - padding, high + padding


def _add_budget(figure: go.Figure, axis: CostAxis, scheme: Scheme, window: tuple[float, float]) -> None:
    if axis.budget is None:
        return
    x = axis.budget / axis.divisor
    figure.add_vrect(x0=x, x1=10 * window[1] / axis.divisor, fillcolor=scheme.shade, line_width=0, layer="below")
    figure.add_vline(x=x, line={"color": scheme.bad, "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=x, y=0.0, xref="x", yref="paper", yanchor="bottom", xanchor="right", xshift=-6, yshift=4, showarrow=False,
        text=f"budget {axis.written(axis.budget)}", font={"color": scheme.bad, "size": 12},
    )  # fmt: skip


def _add_your_budget(figure: go.Figure, budget: float | None, axis: CostAxis, scheme: Scheme) -> None:
    """Add a line, and a handle at its foot that a person drags together with the line.

    The handle is thick and without gaps, because a browser grabs a line only where it is drawn. It is short, because
    nothing under it can be clicked. The best point, which often is at the budget, is higher than the handle.
    """
    if budget is None:
        return
    x = budget / axis.divisor
    across = {"type": "line", "x0": x, "x1": x, "y0": 0.0, "xref": "x", "yref": "paper", "opacity": 0.45}
    figure.add_shape(**across, y1=1.0, name=YOUR_BUDGET_LINE, line={"color": scheme.good, "width": 2})
    figure.add_shape(**across, y1=_HANDLE, editable=True, name=YOUR_BUDGET, line={"color": scheme.good, "width": 8})
    figure.add_annotation(
        x=x, y=0.0, xref="x", yref="paper", yanchor="bottom", xanchor="right", xshift=-6, yshift=22, showarrow=False,
        text=f"↔ {axis.written(budget)}", font={"color": scheme.good, "size": 12},
    )  # fmt: skip


def _add_staircase(
    figure: go.Figure, front: Sequence[TrialPoint], axis: CostAxis, scheme: Scheme, right_edge: float
) -> None:
    """Add the Δ_MTL that is attained at each cost: flat until a costlier front point does better.

    A point that is on the front by its latency alone is no step of it.
    """
    if not front:
        return
    steps = pareto_front([(delta(point), axis.cost(point) or 0.0) for point in front])
    front = [point for point, is_step in zip(front, steps, strict=True) if is_step]
    across, up = place_of(front, axis)
    figure.add_trace(
        go.Scatter(
            x=[*across, max(right_edge / axis.divisor, across[-1])], y=[*up, up[-1]],
            mode="lines", line={"color": scheme.good, "width": 2, "shape": "hv"}, opacity=0.55,
            name="Pareto front", hoverinfo="skip",
        )
    )  # fmt: skip


def _name_derived_once(figure: go.Figure) -> None:
    """Show one of the two traces of derived points in the legend: the last, which is that of the front if it exists."""
    for trace in [trace for trace in figure.data if trace.name == DERIVED][:-1]:
        trace.showlegend = False


def _add_number_labels(figure: go.Figure, front: Sequence[TrialPoint], axis: CostAxis, scheme: Scheme) -> None:
    """Add trial numbers beside the front's points, except for points too near the last labeled one."""
    across, up = place_of(front, axis)
    width, height = _span(across), _span(up)
    last: int | None = None
    annotations = []
    for index, point in enumerate(front):
        if last is not None and across[index] - across[last] < 0.03 * width and up[index] - up[last] < 0.1 * height:
            continue
        annotations.append(
            {"x": across[index], "y": up[index], "text": point.label, "showarrow": False, "xanchor": "right",
             "yanchor": "bottom", "xshift": -5, "yshift": 4, "font": {"size": 12, "color": scheme.good}}
        )  # fmt: skip
        last = index
    figure.update_layout(annotations=[*figure.layout.annotations, *annotations])


def _span(values: Sequence[float]) -> float:
    return (max(values) - min(values) if values else 0.0) or 1.0


def _is_trials(trace: Any) -> bool:
    return trace.customdata is not None
