"""The Pareto front: Δ_MTL against FLOPs, with the budget and the two references."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from dashboards.figures import front_markers as markers
from dashboards.figures.theme import DELTA_AXIS, Scheme, base_figure
from dashboards.formats import FlopUnit, flop_unit, format_delta, format_flops, format_metric, format_share, metric_name
from dashboards.point_words import asked_and_delivered, place, point_name, sureness
from search.formats import format_latency
from search.pareto import pareto_front
from search.records import ReferencePoint, StudyView, TrialPoint, TrialState

FRONT = "On the front"
DOMINATED = "Dominated"
OVER_BUDGET = "Over budget"
BEST = "Best within budget"
DERIVED = "Derived from a trial"
SINGLE_TASK = "Single-task networks"
HARD_SHARING = "Hard sharing"

_HEIGHT = 520
_REFERENCE_NAMES = {"single_task": SINGLE_TASK, "hard_sharing": HARD_SHARING}


def front_figure(view: StudyView, scheme: Scheme, *, hint: str = "") -> go.Figure:
    """Finished trials with their derived points, the front's staircase, budget line and references.

    A point that was repeated stands at its mean, with a bar for the 95 % interval. Every kind of point has its own
    marker, so the plot reads without colour; a derived point has the colour of its kind, hollow and smaller.
    ``customdata`` is the point's label; ``hint`` ends the hover text, such as what a click does.
    """
    figure = base_figure(scheme, height=_HEIGHT, keep=f"front-{view.summary.name}")
    unit = flop_unit(max(view.summary.single_task_flops, 1))
    points = plotted_points(view.all_points)
    front = sorted((point for point in points if point.on_front), key=_flops)
    window = _flop_window(view, points)
    _add_budget(figure, view, unit, scheme, window)
    _add_staircase(figure, front, unit, scheme, float(view.summary.flop_budget or window[1]))
    dominated = [point for point in points if point.is_feasible and not point.on_front]
    over = [point for point in points if not point.is_feasible]
    _add_points(figure, DERIVED, _derived(dominated), view, unit, markers.derived_dominated(scheme))
    _add_points(figure, DOMINATED, _own(dominated), view, unit, markers.dominated(scheme))
    _add_points(figure, OVER_BUDGET, over, view, unit, markers.over_budget(scheme))
    _add_points(figure, FRONT, _own(front), view, unit, markers.on_front(scheme))
    _add_points(figure, DERIVED, _derived(front), view, unit, markers.derived_on_front(scheme))
    _add_number_labels(figure, front, unit, scheme, window)
    best = [point for point in points if point.label == view.summary.best_label]
    _add_points(figure, BEST, best, view, unit, markers.best(scheme))
    _name_derived_once(figure)
    if hint:
        figure.update_traces(hovertemplate=f"%{{hovertext}}<br><i>{hint}</i><extra></extra>", selector=_is_trials)
    for reference in view.references:
        _add_reference(figure, reference, view, unit, scheme, window)
    _set_axes(figure, unit, window)
    # Room for the tools above the legend.
    figure.update_layout(margin={"t": 64})
    return figure


def plotted_points(points: Sequence[TrialPoint]) -> list[TrialPoint]:
    """The points that have a place on the plot: complete, with both objectives."""
    return [
        point
        for point in points
        if point.state is TrialState.COMPLETE and point.delta_mtl is not None and point.flops is not None
    ]


def _own(points: Sequence[TrialPoint]) -> list[TrialPoint]:
    return [point for point in points if not point.derived]


def _derived(points: Sequence[TrialPoint]) -> list[TrialPoint]:
    return [point for point in points if point.derived]


def _flops(point: TrialPoint) -> int:
    return point.flops or 0


def _delta(point: TrialPoint) -> float:
    """Where a point is drawn: at its mean over other seeds, if it was repeated."""
    return point.expected_delta_mtl or 0.0


def _flop_window(view: StudyView, points: Sequence[TrialPoint]) -> tuple[float, float]:
    """The FLOPs shown at first: trials, budget and hard sharing.

    The single-task cost is left out where it would squeeze the trials into less than half of the width:
    a budget is often less than half of it. A double click shows everything.
    """
    summary = view.summary
    anchors = [float(_flops(point)) for point in points] + [float(summary.floor_flops)]
    anchors += [float(reference.flops) for reference in view.references if reference.kind == "hard_sharing"]
    if summary.flop_budget is not None:
        anchors.append(float(summary.flop_budget))
    low, high = min(anchors), max(anchors)
    if high - low >= 0.45 * (summary.single_task_flops - low):
        high = max(high, float(summary.single_task_flops))
    padding = 0.09 * ((high - low) or high)
    return low - padding, high + padding


def _add_budget(
    figure: go.Figure, view: StudyView, unit: FlopUnit, scheme: Scheme, window: tuple[float, float]
) -> None:
    budget = view.summary.flop_budget
    if budget is None:
        return
    x = budget / unit.divisor
    figure.add_vrect(x0=x, x1=10 * window[1] / unit.divisor, fillcolor=scheme.shade, line_width=0, layer="below")
    figure.add_vline(x=x, line={"color": scheme.bad, "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=x, y=0.0, xref="x", yref="paper", yanchor="bottom", xanchor="right", xshift=-6, yshift=4, showarrow=False,
        text=f"budget {format_flops(budget)}", font={"color": scheme.bad, "size": 12},
    )  # fmt: skip


def _add_staircase(
    figure: go.Figure, front: Sequence[TrialPoint], unit: FlopUnit, scheme: Scheme, right_edge: float
) -> None:
    """What is attained at each cost: flat until a costlier front point does better.

    A point that latency alone keeps on the front is no step of it.
    """
    if not front:
        return
    steps = pareto_front([(_delta(point), _flops(point)) for point in front])
    front = [point for point, is_step in zip(front, steps, strict=True) if is_step]
    end = max(right_edge, float(_flops(front[-1])))
    figure.add_scatter(
        x=[_flops(point) / unit.divisor for point in front] + [end / unit.divisor],
        y=[_delta(point) for point in front] + [_delta(front[-1])],
        mode="lines", line={"color": scheme.good, "width": 2, "shape": "hv"}, opacity=0.55,
        name="Pareto front", hoverinfo="skip",
    )  # fmt: skip


def _add_points(
    figure: go.Figure,
    name: str,
    points: Sequence[TrialPoint],
    view: StudyView,
    unit: FlopUnit,
    marker: dict[str, object],
) -> None:
    if not points:
        return
    figure.add_scatter(
        x=[_flops(point) / unit.divisor for point in points],
        y=[_delta(point) for point in points],
        error_y=_intervals(points),
        customdata=[point.label for point in points],
        hovertext=[hover_text(point, view) for point in points],
        mode="markers", marker=marker, name=name, hovertemplate="%{hovertext}<extra></extra>",
        legendgroup=name,
    )  # fmt: skip


def _intervals(points: Sequence[TrialPoint]) -> dict[str, object] | None:
    """95 % intervals of the points that were repeated with other seeds."""
    if all(point.half_width is None for point in points):
        return None
    return {"type": "data", "array": [point.half_width or 0.0 for point in points], "thickness": 1.2, "width": 4}


def _name_derived_once(figure: go.Figure) -> None:
    """Dominated and front ones are two traces; the last, that of the front if there is one, stands in the legend."""
    for trace in [trace for trace in figure.data if trace.name == DERIVED][:-1]:
        trace.showlegend = False


def hover_text(point: TrialPoint, view: StudyView) -> str:
    """Both objectives, what was asked, and every task's metric beside its single-task value.

    A dominated derived point says no metrics: a long study has tens of thousands, and its page would be mostly those.
    """
    single = next((r.metrics for r in view.references if r.kind == "single_task"), {})
    share = format_share(point.flops, view.summary.single_task_flops)
    sure = sureness(point)
    lines = [
        f"<b>{point_name(point)}</b> · {place(point)}",
        f"Δ<sub>MTL</sub> {format_delta(point.delta_mtl)}",
        *([] if sure is None else [sure]),
        f"{asked_and_delivered(point, view)} ({share} of single-task)",
        *([] if point.latency_ms is None else [format_latency(point.latency_ms)]),
    ]
    for task in () if point.derived and not point.on_front else view.summary.tasks:
        value = format_metric(point.metrics.get(task.name), task.metric)
        alone = format_metric(single.get(task.name), task.metric)
        lines.append(f"{task.name}: {metric_name(task.metric)} {value} (alone {alone})")
    return "<br>".join(lines)


def _add_number_labels(
    figure: go.Figure, front: Sequence[TrialPoint], unit: FlopUnit, scheme: Scheme, window: tuple[float, float]
) -> None:
    """Trial numbers beside the front's points; a point too near the last labelled one stays without."""
    deltas = [_delta(point) for point in front]
    spread = max(deltas, default=0.0) - min(deltas, default=0.0)
    last: TrialPoint | None = None
    for point in front:
        if last is not None:
            across = (_flops(point) - _flops(last)) / (window[1] - window[0])
            up = (_delta(point) - _delta(last)) / (spread or 1.0)
            if across < 0.03 and up < 0.1:
                continue
        figure.add_annotation(
            x=_flops(point) / unit.divisor, y=_delta(point), text=point.label, showarrow=False,
            xanchor="right", yanchor="bottom", xshift=-5, yshift=4, font={"size": 12, "color": scheme.good},
        )  # fmt: skip
        last = point


def _add_reference(
    figure: go.Figure,
    reference: ReferencePoint,
    view: StudyView,
    unit: FlopUnit,
    scheme: Scheme,
    window: tuple[float, float],
) -> None:
    name = _REFERENCE_NAMES[reference.kind]
    metrics = "<br>".join(
        f"{task.name}: {metric_name(task.metric)} {format_metric(reference.metrics.get(task.name), task.metric)}"
        for task in view.summary.tasks
    )
    figure.add_scatter(
        x=[reference.flops / unit.divisor], y=[reference.delta_mtl], mode="markers", name=name,
        marker={"symbol": "star" if reference.kind == "single_task" else "diamond", "size": 13, "color": scheme.text},
        hovertext=[f"<b>{name}</b><br>Δ<sub>MTL</sub> {format_delta(reference.delta_mtl)}<br>"
                   f"{format_flops(reference.flops)}<br>{metrics}"],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    if reference.kind == "single_task":
        figure.add_hline(y=reference.delta_mtl, line={"color": scheme.muted, "width": 1, "dash": "dot"})
        if reference.flops > window[1]:
            figure.add_annotation(
                x=0.01, xref="paper", y=reference.delta_mtl, xanchor="left", yanchor="bottom", showarrow=False,
                text=f"single-task level (at {format_flops(reference.flops)} →)",
                font={"size": 12, "color": scheme.muted},
            )  # fmt: skip


def _set_axes(figure: go.Figure, unit: FlopUnit, window: tuple[float, float]) -> None:
    figure.update_xaxes(
        title_text=f"FLOPs per image ({unit.name}, 2 per multiply-add)",
        range=[window[0] / unit.divisor, window[1] / unit.divisor],
    )
    figure.update_yaxes(title_text=DELTA_AXIS)


def _is_trials(trace: Any) -> bool:
    return trace.customdata is not None
