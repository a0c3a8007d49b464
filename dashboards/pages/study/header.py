"""Head of the study page: the task of the search, its progress, its results and its cost."""

from collections.abc import Callable

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.pages.studies import finished, progress_percent
from gatefront.dashboards.presentation.empty_states import confirmation_sentence
from gatefront.dashboards.presentation.point_text import sureness
from gatefront.dashboards.widgets.components import Children, stat, stats, study_badge
from gatefront.dashboards.widgets.links import STUDIES, report_path, trial_path
from gatefront.dashboards.widgets.nearest_points import nearest_table
from gatefront.search.results.cost import StudyCost, study_cost
from gatefront.search.results.formats import (
    NONE,
    format_amount,
    format_delta,
    format_duration,
    format_flops,
    format_latency,
    format_names,
    format_share,
    format_signed,
    format_time,
)
from gatefront.search.results.records import StudySummary, StudyView, TrialPoint
from gatefront.search.results.states import DRIVEN_STATES, TrialState
from gatefront.search.results.words_on_test import on_test_sentence, on_test_text


def study_header(view: StudyView) -> Component:
    summary = view.summary
    about = (
        f"{summary.data} · {summary.backbone} · tasks {format_names([task.name for task in summary.tasks])} "
        f"· created {format_time(summary.created_at)}"
        + (f" · started from {summary.started_from}" if summary.started_from else "")
    )
    title = dmc.Group([dmc.Title(summary.name, order=1, className="page-title"), study_badge(summary.state)], gap="sm")
    report = html.A(
        "Download report", href=report_path(summary.name), download=f"{summary.name}-report.html", className="button"
    )
    return html.Div(
        [
            dmc.Breadcrumbs([dcc.Link("Studies", href=STUDIES), html.Span(summary.name)], className="crumbs"),
            dmc.Group([title, report], justify="space-between", mb=2),
            dmc.Text(about, size="sm", c="dimmed"),
        ],
        className="page-head",
    )


def study_stats(view: StudyView) -> Component:
    summary = view.summary
    cost = study_cost(view)
    return stats(
        [
            stat("Trials finished", f"{finished(summary)} of {summary.num_trials}", _progress(summary)),
            stat("Best Δ_MTL within budget", format_delta(summary.best_delta_mtl), _best(view)),
            stat("FLOP budget", *_budget(summary)),
            stat("Hypervolume", _hypervolume(summary), _hypervolume_band(summary) or _front_size(view)),
            stat(f"{cost.device} time spent", format_duration(3600 * cost.device_hours), _shares(cost)),
            stat("Time left", *_time_left(summary)),
        ]
    )


def front_points(view: StudyView) -> Component | None:
    """Return the front as a table, best Δ_MTL first, with requested beside delivered FLOPs.

    Without a front the table has the points that come nearest.
    """
    points = sorted(view.front, key=lambda p: -(p.expected_delta_mtl or 0.0))
    if not points:
        return nearest_table(view)
    budget = view.summary.flop_budget
    name, last = _last_column(view)
    rows = [
        html.Tr(
            [
                html.Td(dcc.Link(f"Trial {p.label}", href=trial_path(view.summary.name, p.number, p.derived))),
                html.Td(
                    format_signed(p.expected_delta_mtl, p.half_width),
                    className="number",
                    title=sureness(p) or "measured once",
                ),
                *_test_cells(view, p),
                html.Td(format_amount(p.requested(budget)), className="number"),
                html.Td(format_amount(p.flops), className="number"),
                html.Td(last(p), className="number"),
            ]
        )
        for p in points
    ]
    tested = ("test Δ_MTL %", "gap") if view.has_test_split else ()
    columns = ("Δ_MTL %", *tested, "FLOPs requested", "delivered", name)
    head = html.Tr([html.Th("Point"), *(html.Th(column, className="number") for column in columns)])
    table = html.Div(html.Table([html.Thead(head), html.Tbody(rows)], className="plain"), className="scroll")
    notes = f"{confirmation_sentence(view)} {on_test_sentence(view)}"
    return html.Div([table, dmc.Text(notes, size="xs", c="dimmed", mt=4)])


def _test_cells(view: StudyView, point: TrialPoint) -> list[Component]:
    if not view.has_test_split:
        return []
    texts = (format_signed(point.test_delta_mtl, point.test_half_width), format_signed(point.test_gap))
    return [html.Td(text, className="number", title=on_test_text(view, point)) for text in texts]


def _last_column(view: StudyView) -> tuple[str, Callable[[TrialPoint], str]]:
    """Return the heading and the values of the last column, as there is room for one more.

    It is the latency if it is measured, otherwise the share of the single-task cost, which the FLOPs imply.
    """
    if view.summary.latency is not None:
        return "latency", lambda point: format_latency(point.latency_ms)
    return "of single-task", lambda point: format_share(point.flops, view.summary.single_task_flops)


def _progress(summary: StudySummary) -> Children:
    counts = summary.state_counts
    named = (
        (TrialState.RUNNING, "running"),
        (TrialState.STOPPED_EARLY, "stopped early"),
        (TrialState.FAILED, "failed"),
    )
    words = [f"{counts[state]} {word}" for state, word in named if counts.get(state)]
    bar = dmc.Progress(
        value=progress_percent(summary), size="xs", radius="xl", my=4, animated=summary.state in DRIVEN_STATES,
        **{"aria-label": "progress"},
    )  # fmt: skip
    return [bar, ", ".join(words) or "none running"]


def _best(view: StudyView) -> Children:
    best = view.best
    if best is None:
        return "no trial within the budget yet"
    hard = next((r.delta_mtl for r in view.references if r.kind == "hard_sharing"), None)
    link = dcc.Link(f"trial {best.label}", href=trial_path(view.summary.name, best.number, best.derived))
    return [link, f" · hard sharing {format_delta(hard)}" if hard is not None else ""]


def _budget(summary: StudySummary) -> tuple[str, str]:
    cap = f" · at most {summary.param_budget_text} parameters" if summary.param_budget_text else ""
    if (latency_ms := summary.budgets.latency_ms) is not None:
        cap += f" · at most {format_latency(latency_ms)}"
    if summary.flop_budget is None:
        return "none", f"single-task costs {format_flops(summary.single_task_flops)}{cap}"
    share = format_share(summary.flop_budget, summary.single_task_flops)
    return format_flops(summary.flop_budget), f"{share} of single-task{cap}"


def _hypervolume(summary: StudySummary) -> str:
    return NONE if summary.hypervolume is None else f"{summary.hypervolume:.4g}"


def _hypervolume_band(summary: StudySummary) -> str | None:
    band = summary.hypervolume_band
    return None if band is None else f"{band[0]:.4g} to {band[1]:.4g} over the seeds"


def _front_size(view: StudyView) -> str:
    size = len(view.front)
    return "1 point on the front" if size == 1 else f"{size} points on the front"


def _shares(cost: StudyCost) -> str:
    """Return the time per trial and per point of the front."""
    shares = ((cost.per_trial, "per trial"), (cost.per_front_point, "per front point"))
    known = [f"{format_duration(seconds * cost.devices_per_worker)} {of}" for seconds, of in shares if seconds]
    return " · ".join(known) or "all workers together"


def _time_left(summary: StudySummary) -> tuple[str, str]:
    if summary.state not in DRIVEN_STATES:
        return NONE, "not running"
    if summary.eta_seconds is None:
        return NONE, "known after the first trials"
    return format_duration(summary.eta_seconds), "estimated from finished trials"
