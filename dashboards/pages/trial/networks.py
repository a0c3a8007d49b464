"""Networks of one trial side by side: its own and those derived from its gates."""

from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.widgets.components import Children, card
from gatefront.dashboards.widgets.links import trial_path
from gatefront.dashboards.widgets.trial_table import standing
from gatefront.search.results.formats import (
    NONE,
    format_delta,
    format_duration,
    format_flops,
    format_latency,
    format_share,
    shorten_name,
)
from gatefront.search.results.records import PointDetail, StudyView, TrialDetail


def networks_card(view: StudyView, detail: TrialDetail, chosen: PointDetail) -> Component | None:
    """Return a card with each network's requested and delivered cost and its pull command.

    A trial with one network has none.
    """
    if not detail.derived:
        return None
    tasks = [task.name for task in view.summary.tasks]
    rows = [_row(view, detail.study, network, network.point == chosen.point) for network in detail.networks]
    latency = ["Latency"] * (view.summary.latency is not None)
    numbers = ("Requested", "Delivered", "of single-task", *latency, "Δ_MTL")
    head = html.Tr(
        [
            html.Th("Network"),
            *(html.Th(name, className="number") for name in numbers),
            *(html.Th(f"Δ {shorten_name(name)}", title=name, className="number") for name in tasks),
            html.Th("Front"),
            html.Th("Time"),
            html.Th("Pull"),
        ]
    )
    return card(
        "Networks of this trial",
        html.Div(html.Table([html.Thead(head), html.Tbody(rows)], className="plain"), className="scroll"),
        note="Its gates were learned once. A derived network has the same gates cut to a smaller budget; "
        "choose one to see it below.",
    )


def _row(view: StudyView, study: str, network: PointDetail, is_chosen: bool) -> Component:
    point, summary = network.point, view.summary
    requested = point.requested(summary.flop_budget)
    cells: Sequence[Children] = [
        NONE if requested is None else format_flops(requested),
        format_flops(point.flops),
        format_share(point.flops, summary.single_task_flops),
        *([] if summary.latency is None else [format_latency(point.latency_ms)]),
        html.Span(format_delta(point.delta_mtl), className="strong"),
        *(format_delta(network.delta_per_task.get(task.name)) for task in summary.tasks),
    ]
    name = point.label if point.derived else f"{point.label}, its own"
    return html.Tr(
        [
            html.Td([dcc.Link(name, href=trial_path(study, point.number, point.derived)), " ◂ shown" * is_chosen]),
            *(html.Td(cell, className="number") for cell in cells),
            html.Td(standing(point)),
            html.Td(format_duration(point.seconds)),
            html.Td(_copy_button(network)),
        ],
        className="chosen" if is_chosen else "",
    )


def _copy_button(network: PointDetail) -> Component:
    button: Component = dmc.CopyButton(
        "Copy", value=network.pull_command, copiedChildren="Copied ✓", size="compact-xs", variant="light",
        color="blue", copiedColor="teal", timeout=2000,
        **{"aria-label": f"copy the pull command of {network.point.label}"},
    )  # fmt: skip
    return button
