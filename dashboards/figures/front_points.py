"""Points of one kind on the front plot: their places, their intervals and their hover texts."""

from collections.abc import Sequence

import plotly.graph_objects as go

from gatefront.dashboards.figures.labels import as_label
from gatefront.dashboards.presentation.cost_axis import CostAxis
from gatefront.dashboards.presentation.point_text import asked_and_delivered, place, point_name, sureness
from gatefront.search.results.formats import format_delta, format_latency, format_metric, format_share, metric_name
from gatefront.search.results.records import StudyView, TrialPoint


def delta(point: TrialPoint) -> float:
    """Return the Δ_MTL at which a point is drawn: the mean of its replicates, if it has any."""
    return point.expected_delta_mtl or 0.0


def place_of(points: Sequence[TrialPoint], axis: CostAxis) -> tuple[list[float], list[float]]:
    """Return the places of points across and up, in the units of the plot."""
    return [(axis.cost(point) or 0.0) / axis.divisor for point in points], [delta(point) for point in points]


def add_points(
    figure: go.Figure,
    name: str,
    points: Sequence[TrialPoint],
    view: StudyView,
    axis: CostAxis,
    marker: dict[str, object],
    selected: frozenset[str] | None = None,
) -> None:
    """Add a trace of points whose ``customdata`` is their label, or nothing without points.

    Points that are not selected fade.
    """
    if not points:
        return
    across, up = place_of(points, axis)
    shown = None if selected is None else [index for index, point in enumerate(points) if point.label in selected]
    figure.add_trace(
        go.Scatter(
            x=across,
            y=up,
            error_y=_intervals(points),
            customdata=[point.label for point in points],
            hovertext=[hover_text(point, view) for point in points],
            mode="markers", marker=marker, name=name, hovertemplate="%{hovertext}<extra></extra>",
            legendgroup=name, selectedpoints=shown, unselected={"marker": {"opacity": 0.15}},
        )
    )  # fmt: skip


def _intervals(points: Sequence[TrialPoint]) -> dict[str, object] | None:
    """Return the 95 % intervals of the points with replicates, or None if there are none."""
    if all(point.half_width is None for point in points):
        return None
    return {"type": "data", "array": [point.half_width or 0.0 for point in points], "thickness": 1.2, "width": 4}


def hover_text(point: TrialPoint, view: StudyView) -> str:
    """Return both objectives, the requested cost, and every task's metric beside its single-task value.

    A dominated derived point has no metrics, because a long study has tens of thousands of such points and its page
    would consist mostly of them.
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
        lines.append(f"{as_label(task.name)}: {metric_name(task.metric)} {value} (alone {alone})")
    return "<br>".join(lines)
