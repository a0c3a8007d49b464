"""Comparisons for the front: the study's references, published points and other systems."""

from collections.abc import Sequence

import plotly.graph_objects as go

from gatefront.dashboards.figures.labels import as_label
from gatefront.dashboards.figures.theme import Scheme
from gatefront.dashboards.presentation.cost_axis import CostAxis
from gatefront.search.comparison import Line
from gatefront.search.comparison.published import PublishedPoint
from gatefront.search.results.formats import format_delta, format_flops, format_metric, metric_name
from gatefront.search.results.records import StudyView
from gatefront.search.results.reference_point import ReferencePoint

SINGLE_TASK = "Single-task networks"
HARD_SHARING = "Hard sharing"
PUBLISHED = "Published"
RIVALS = "Other systems"

_REFERENCE_NAMES = {"single_task": SINGLE_TASK, "hard_sharing": HARD_SHARING}


def add_reference(
    figure: go.Figure, reference: ReferencePoint, view: StudyView, axis: CostAxis, scheme: Scheme, right_edge: float
) -> None:
    """Add a reference's marker, and the single-task level as a line across.

    A reference of unknown cost has no marker. ``right_edge`` is the largest cost shown, in whole units.
    """
    cost = axis.of_reference(reference)
    name = _REFERENCE_NAMES[reference.kind]
    if cost is not None:
        metrics = "<br>".join(
            f"{as_label(task.name)}: {metric_name(task.metric)} "
            f"{format_metric(reference.metrics.get(task.name), task.metric)}"
            for task in view.summary.tasks
        )
        symbol = "star" if reference.kind == "single_task" else "diamond"
        figure.add_trace(
            go.Scatter(
                x=[cost / axis.divisor], y=[reference.delta_mtl], mode="markers", name=name,
                marker={"symbol": symbol, "size": 13, "color": scheme.text},
                hovertext=[f"<b>{name}</b><br>Δ<sub>MTL</sub> {format_delta(reference.delta_mtl)}<br>"
                           f"{axis.written(cost)}<br>{metrics}"],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )  # fmt: skip
    if reference.kind == "single_task":
        figure.add_hline(y=reference.delta_mtl, line={"color": scheme.muted, "width": 1, "dash": "dot"})
        if cost is not None and cost > right_edge:
            figure.add_annotation(
                x=0.01, xref="paper", y=reference.delta_mtl, xanchor="left", yanchor="bottom", showarrow=False,
                text=f"single-task level (at {axis.written(cost)} →)", font={"size": 12, "color": scheme.muted},
            )  # fmt: skip


def add_published(figure: go.Figure, points: Sequence[PublishedPoint], axis: CostAxis, scheme: Scheme) -> None:
    """Add published points in outline, doubtful ones crossed out, if the axis is FLOPs, their only known cost."""
    if not points or axis.name != "flops":
        return
    figure.add_trace(
        go.Scatter(
            x=[point.flops / axis.divisor for point in points], y=[point.delta_mtl for point in points],
            mode="markers", name=PUBLISHED,
            marker={"symbol": ["x-thin" if point.doubt else "square-open" for point in points], "size": 8,
                    "color": scheme.muted, "line": {"width": 1.5, "color": scheme.muted}},
            hovertext=[f"<b>{point.system}</b>, published, {point.backbone}<br>"
                       f"Δ<sub>MTL</sub> {format_delta(point.delta_mtl)} at {format_flops(point.flops)}"
                       + (f"<br>doubtful: {point.doubt}" if point.doubt else "") for point in points],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )  # fmt: skip


def add_rivals(figure: go.Figure, lines: Sequence[Line], axis: CostAxis, scheme: Scheme) -> None:
    """Add the systems of the comparison with the study's name, with their standard deviation over seeds."""
    if not lines or axis.name == "latency":
        return
    costs = [line.flops if axis.name == "flops" else line.num_parameters for line in lines]
    figure.add_trace(
        go.Scatter(
            x=[cost / axis.divisor for cost in costs], y=[line.delta_mtl.mean for line in lines],
            mode="markers", name=RIVALS, error_y={"type": "data", "thickness": 1.2, "width": 4,
                                                  "array": [line.delta_mtl.deviation or 0.0 for line in lines]},
            marker={"symbol": "triangle-up-open", "size": 11, "color": scheme.text, "line": {"width": 1.5}},
            hovertext=[f"<b>{line.system}</b>, {line.num_seeds} seeds<br>Δ<sub>MTL</sub> "
                       f"{format_delta(line.delta_mtl.mean)} at {axis.written(cost)}"
                       for line, cost in zip(lines, costs, strict=True)],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )  # fmt: skip
