"""Finished points that exceed the budgets by least, for studies in which no point keeps to them."""

from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.widgets.components import reason
from gatefront.dashboards.widgets.links import trial_path
from gatefront.search.results.formats import NONE, format_names, format_signed
from gatefront.search.results.records import StudySummary, StudyView, TrialPoint
from gatefront.search.results.states import TrialState

_SHOWN = 5


def nearest_points(view: StudyView) -> list[TrialPoint]:
    """Return complete points over a budget, the one whose worst excess is smallest first.

    The result is empty if a point keeps to all budgets.
    """
    if any(point.is_feasible for point in view.all_points):
        return []
    over = [point for point in view.all_points if point.state is TrialState.COMPLETE and point.exceeds]
    return sorted(over, key=lambda point: max(_excesses(point, view.summary).values(), default=float("inf")))[:_SHOWN]


def nearest_table(view: StudyView) -> Component | None:
    """Return a table of these points with their Δ_MTL and their excess, or a sentence if there are none."""
    points = nearest_points(view)
    if not points:
        return reason("No trial is on the front yet.")
    rows = [
        html.Tr(
            [
                html.Td(dcc.Link(f"Trial {p.label}", href=trial_path(view.summary.name, p.number, p.derived))),
                html.Td(format_signed(p.expected_delta_mtl), className="number"),
                html.Td(_missed(p, view.summary), className="number"),
            ]
        )
        for p in points
    ]
    head = html.Tr(
        [html.Th("Trial"), html.Th("Δ_MTL %", className="number"), html.Th("over budget by", className="number")]
    )
    table = html.Table([html.Thead(head), html.Tbody(rows)], className="plain")
    return html.Div(
        [reason("Nothing keeps to the budget; these miss it by least."), html.Div(table, className="scroll")]
    )


def _missed(point: TrialPoint, summary: StudySummary) -> str:
    found = _excesses(point, summary)
    return format_names([f"{_percent(share)} {name}" for name, share in found.items()]) or NONE


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:,.0f} %" if percent >= 100 else f"{percent:.3g} %"


def _excesses(point: TrialPoint, summary: StudySummary) -> dict[str, float]:
    """Return by what share of each budget the point exceeds it. A latency that was not measured is left out."""
    excesses, budgets = dict[str, float](), summary.budgets
    if "flops" in point.exceeds and point.flops is not None and budgets.flops:
        excesses["FLOPs"] = point.flops / budgets.flops - 1
    if "latency" in point.exceeds and point.latency_ms is not None and budgets.latency_ms:
        excesses["latency"] = point.latency_ms / budgets.latency_ms - 1
    return excesses
