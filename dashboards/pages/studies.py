"""Studies page: the list of studies with their states, progress and results."""

import asyncio
import hashlib
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.presentation.empty_states import NO_STUDIES, study_sentence
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import alert, card, facts, said, study_badge
from gatefront.dashboards.widgets.links import START, comparison_path, study_path
from gatefront.dashboards.widgets.polling import INTERVAL_MS, ClientState, pause, poll
from gatefront.search.results.formats import (
    NONE,
    format_delta,
    format_duration,
    format_flops,
    format_names,
    format_time,
)
from gatefront.search.results.records import StudySummary
from gatefront.search.results.states import DRIVEN_STATES, TrialState
from gatefront.search.snapshots.protocol import Reader

TITLE = "Studies · gatefront"


def layout(*, can_act: bool = False) -> Component:
    start = dcc.Link("Start a study", href=START, className="button") if can_act else None
    return html.Div(
        [
            dmc.Group([dmc.Title("Studies", order=1, className="page-title"), start], justify="space-between"),
            html.Div(id=ids.STUDIES_BANNER, role="status"),
            html.Div(id=ids.STUDIES_LIST),
            dcc.Store(id=ids.STUDIES_SEEN),
            dcc.Interval(id=ids.STUDIES_TICK, interval=INTERVAL_MS),
        ]
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.STUDIES_BANNER, "children"),
        Output(ids.STUDIES_LIST, "children"),
        Output(ids.STUDIES_SEEN, "data"),
        Input(ids.STUDIES_TICK, "n_intervals"),
        State(ids.STUDIES_SEEN, "data"),
        running=pause(ids.STUDIES_TICK),
    )
    async def update(_: int | None, seen: dict[str, str] | None) -> tuple[Any, ...]:
        return await asyncio.to_thread(studies_update, reader, ClientState.from_json(seen))


def studies_update(reader: Reader, seen: ClientState) -> tuple[Any, ...]:
    """Return the banner, the list and the new client state, with `no_update` where nothing changed."""
    found: tuple[tuple[StudySummary, ...], tuple[str, ...]] = ((), ())

    def revision() -> str:
        nonlocal found
        found = (reader.list_studies(), reader.list_comparisons())
        return hashlib.sha256(repr(found).encode()).hexdigest()

    # The list has no theme of its own and is drawn the same in both color schemes.
    look = poll(seen, seen.scheme, revision, lambda: found)
    if look.status == "unchanged":
        return no_update, no_update, no_update
    if look.status == "unreachable":
        return alert(look.sentence), no_update, look.seen.to_json()
    return None, study_list(*(look.value or ((), ()))), look.seen.to_json()


def study_list(summaries: tuple[StudySummary, ...], comparisons: tuple[str, ...] = ()) -> Component:
    """Return a card per study, then links to the comparisons."""
    if not summaries and not comparisons:
        empty: Component = dmc.Paper(
            [dmc.Text("No study yet", fw=650, size="lg", mb=4), dmc.Text(said(NO_STUDIES), c="dimmed")],
            withBorder=True, radius="md", p="xl", className="empty",
        )  # fmt: skip
        return empty
    links = (
        [card("Systems compared", dmc.List([_comparison_link(name) for name in comparisons]))] if comparisons else []
    )
    cards: Component = dmc.Stack([*(_study_card(summary) for summary in summaries), *links], gap="sm")
    return cards


def _comparison_link(name: str) -> Component:
    item: Component = dmc.ListItem(dcc.Link(name, href=comparison_path(name)))
    return item


def _study_card(summary: StudySummary) -> Component:
    sentence = study_sentence(summary)
    head = dmc.Group(
        [dcc.Link(summary.name, href=study_path(summary.name), className="study-link"), study_badge(summary.state)],
        gap="sm",
    )
    about = (
        f"{summary.data} · {summary.backbone} · "
        f"{format_names([task.name for task in summary.tasks])} · created {format_time(summary.created_at)}"
        + (f" · started from {summary.started_from}" if summary.started_from else "")
    )
    progress = dmc.Progress(
        value=progress_percent(summary), size="sm", radius="xl", mb="sm", **{"aria-label": "progress"}
    )
    box: Component = dmc.Paper(
        [
            head,
            dmc.Text(about, size="sm", c="dimmed", mb="sm"),
            progress,
            facts(_facts(summary)),
            dmc.Text(said(sentence), size="sm", mt="sm") if sentence else None,
        ],
        withBorder=True, radius="md", p="md",
    )  # fmt: skip
    return box


def _facts(summary: StudySummary) -> list[tuple[str, str]]:
    counts = summary.state_counts
    named = ((TrialState.STOPPED_EARLY, "stopped early"), (TrialState.FAILED, "failed"))
    words = [f"{counts[state]} {word}" for state, word in named if counts.get(state)]
    trials = ", ".join([f"{finished(summary)} of {summary.num_trials}", *words])
    budget = "none" if summary.flop_budget is None else f"{format_flops(summary.flop_budget)}"
    held = summary.gpus_per_worker
    best = format_delta(summary.best_delta_mtl)
    if summary.best_label is not None:
        best += f" (trial {summary.best_label})"
    return [
        ("Trials finished", trials),
        ("Best Δ_MTL within budget", best),
        ("FLOP budget", budget),
        (f"{'GPU' if held else 'CPU'} time spent", format_duration(summary.seconds_spent * (held or 1.0))),
        ("Time left", _time_left(summary)),
    ]


def _time_left(summary: StudySummary) -> str:
    if summary.state not in DRIVEN_STATES:
        return NONE
    return "not known yet" if summary.eta_seconds is None else format_duration(summary.eta_seconds)


def finished(summary: StudySummary) -> int:
    """Return the number of trials that will not run again."""
    unfinished = {TrialState.QUEUED, TrialState.RUNNING, TrialState.LOST}
    return sum(number for state, number in summary.state_counts.items() if state not in unfinished)


def progress_percent(summary: StudySummary) -> float:
    return min(100.0, 100 * finished(summary) / max(summary.num_trials, 1))
