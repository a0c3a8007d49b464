"""Latency against FLOPs, which shows if fewer FLOPs mean less time.

Points of equal FLOPs that differ in time say no.
"""

from collections.abc import Sequence

import plotly.graph_objects as go
from scipy.stats import spearmanr

from gatefront.dashboards.figures import front_markers as markers
from gatefront.dashboards.figures.theme import Scheme, base_figure
from gatefront.dashboards.presentation.point_text import place, point_name
from gatefront.dashboards.presentation.selection import thinned
from gatefront.search.results.formats import FlopUnit, flop_unit, format_flops, format_latency
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState

HEIGHT = 300
_MOST_OFF = 600


def latency_figure(view: StudyView, scheme: Scheme) -> go.Figure:
    """Draw every measured network with the latency budget, with the markers of the front plot.

    ``customdata`` is the label.
    """
    figure = base_figure(scheme, height=HEIGHT, keep=f"latency-{view.summary.name}")
    unit = flop_unit(max(view.summary.single_task_flops, 1))
    points = measured_points(view)
    front = [point for point in points if point.on_front]
    points = [*front, *thinned([point for point in points if not point.on_front], _MOST_OFF)]
    kinds = (
        ("Dominated", [p for p in points if p.is_feasible and not p.on_front], markers.dominated(scheme)),
        ("Over budget", [p for p in points if not p.is_feasible], markers.over_budget(scheme)),
        ("On the front", [p for p in points if p.on_front], markers.on_front(scheme)),
    )
    for name, found, marker in kinds:
        _add_points(figure, name, found, unit, marker)
    rule = view.summary.latency
    if rule is not None and rule.budget_ms is not None:
        figure.add_hline(
            y=rule.budget_ms, line={"color": scheme.bad, "width": 1.5, "dash": "dash"},
            annotation_position="top left",
            annotation={"text": f"budget {format_latency(rule.budget_ms)}", "font": {"color": scheme.bad, "size": 12}},
        )  # fmt: skip
    figure.update_xaxes(title_text=f"FLOPs per image ({unit.name}, 2 per multiply-add)")
    figure.update_yaxes(title_text="Latency (ms)", rangemode="tozero")
    return figure


def latency_sentence(view: StudyView) -> str:
    """Return in words what was timed, and how far FLOPs order the networks as time does."""
    points = measured_points(view)
    timed = f"Median time of one forward pass on the worker's CPU ({view.summary.latency})."
    found = rank_correlation(points)
    if found is None:
        return f"{timed} Three networks of different cost are needed to say how far FLOPs tell the time."
    return (
        f"{timed} Rank correlation with FLOPs over {len(points)} networks: {found:.2f} "
        "(Spearman; at 1 FLOPs order the networks as time does)."
    )


def rank_correlation(points: Sequence[TrialPoint]) -> float | None:
    """Return Spearman's coefficient of FLOPs and latency.

    The result is None for fewer than three points, or if one of the two is constant.
    """
    flops, latencies = [p.flops for p in points], [p.latency_ms for p in points]
    if len(points) < 3 or len(set(flops)) < 2 or len(set(latencies)) < 2:
        return None
    return float(spearmanr(flops, latencies).statistic)


def measured_points(view: StudyView) -> list[TrialPoint]:
    """Return the networks of complete trials that were timed."""
    return [
        point
        for point in view.all_points
        if point.state is TrialState.COMPLETE and point.flops is not None and point.latency_ms is not None
    ]


def _add_points(
    figure: go.Figure, name: str, points: Sequence[TrialPoint], unit: FlopUnit, marker: markers.Marker
) -> None:
    if not points:
        return
    figure.add_scatter(
        x=[(point.flops or 0) / unit.divisor for point in points],
        y=[point.latency_ms for point in points],
        customdata=[point.label for point in points],
        hovertext=[
            f"<b>{point_name(point)}</b> · {place(point)}<br>"
            f"{format_latency(point.latency_ms)} at {format_flops(point.flops)}"
            for point in points
        ],
        mode="markers", marker=marker, name=name, hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
