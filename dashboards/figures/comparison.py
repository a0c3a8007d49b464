"""Comparison of systems: Δ_MTL over FLOPs, with the study's own front and published points where there are any."""

from collections.abc import Sequence

import plotly.graph_objects as go

from gatefront.dashboards.figures.theme import DELTA_AXIS, Scheme, base_figure
from gatefront.search.comparison import ComparisonTable, Line
from gatefront.search.comparison.published import PublishedPoint
from gatefront.search.results.formats import FlopUnit, flop_unit, format_delta, format_flops
from gatefront.search.results.pareto import pareto_front
from gatefront.search.results.records import TrialPoint

HEIGHT = 460

_SHAPES = (("single-task", "star"), ("hard sharing", "diamond"), ("InterroGate", "circle"))
_OTHER_SHAPE = "square"


def comparison_figure(
    table: ComparisonTable, front: Sequence[TrialPoint], published: Sequence[PublishedPoint], scheme: Scheme
) -> go.Figure:
    """Draw one marker per system, with the standard deviation over seeds. The marker's shape shows the family."""
    figure = base_figure(scheme, height=HEIGHT, keep=f"comparison-{table.name}")
    unit = flop_unit(max([line.flops for line in table.lines] + [point.flops for point in published], default=1))
    if published:
        _add_published(figure, published, unit, scheme)
    if front:
        _add_front(figure, front, unit, scheme)
    for index, line in enumerate(table.lines):
        _add_line(figure, line, unit, scheme.task_color(index))
    figure.add_hline(y=0.0, line={"color": scheme.muted, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text=f"FLOPs per image ({unit.name}, 2 per multiply-add)")
    figure.update_yaxes(title_text=DELTA_AXIS)
    figure.update_layout(margin={"t": 64})
    return figure


def _add_line(figure: go.Figure, line: Line, unit: FlopUnit, color: str) -> None:
    deviation = line.delta_mtl.deviation
    figure.add_scatter(
        x=[line.flops / unit.divisor], y=[line.delta_mtl.mean], mode="markers", name=line.system,
        marker={"symbol": _shape(line.system), "size": 12, "color": color},
        error_y=None if deviation is None else {"type": "data", "array": [deviation], "thickness": 1.5, "width": 5},
        hovertext=[f"<b>{line.system}</b><br>Δ<sub>MTL</sub> {format_delta(line.delta_mtl.mean)}<br>"
                   f"{format_flops(line.flops)}<br>mean rank {line.mean_rank:.1f}, {line.num_seeds} seeds"],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _add_front(figure: go.Figure, front: Sequence[TrialPoint], unit: FlopUnit, scheme: Scheme) -> None:
    points = sorted(front, key=lambda point: point.flops or 0)
    figure.add_scatter(
        x=[(point.flops or 0) / unit.divisor for point in points], y=[point.delta_mtl for point in points],
        mode="lines+markers", line={"color": scheme.good, "width": 2, "shape": "hv"}, marker={"size": 6},
        opacity=0.6, name="the study's front", hovertext=[f"point {point.label}" for point in points],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _add_published(figure: go.Figure, published: Sequence[PublishedPoint], unit: FlopUnit, scheme: Scheme) -> None:
    """Add published points in outline, doubtful ones crossed out, and the front of the rest."""
    sure = [point for point in published if not point.doubt]
    on_front = pareto_front([(point.delta_mtl, point.flops) for point in sure])
    front = sorted((point for point, best in zip(sure, on_front, strict=True) if best), key=lambda point: point.flops)
    figure.add_scatter(
        x=[point.flops / unit.divisor for point in front], y=[point.delta_mtl for point in front], mode="lines",
        line={"color": scheme.muted, "width": 1, "shape": "hv", "dash": "dash"}, name="published front",
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[point.flops / unit.divisor for point in published], y=[point.delta_mtl for point in published],
        mode="markers", name="published",
        marker={"symbol": ["x-thin" if point.doubt else "square-open" for point in published], "size": 8,
                "color": scheme.muted, "line": {"width": 1.5, "color": scheme.muted}},
        hovertext=[f"<b>{point.system}</b>, published<br>Δ<sub>MTL</sub> {format_delta(point.delta_mtl)} at "
                   f"{format_flops(point.flops)}" + (f"<br>doubtful: {point.doubt}" if point.doubt else "")
                   for point in published],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _shape(system: str) -> str:
    return next((shape for family, shape in _SHAPES if system.startswith(family)), _OTHER_SHAPE)
