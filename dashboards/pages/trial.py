"""One trial: what its tasks share, how it learned, what it is worth, how to pull it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboards import ids
from dashboards.components import alert, card, graph, missing, reason, register_graphs
from dashboards.figures.channel_pattern import channel_pattern_figure, pattern_sentence
from dashboards.figures.curves import delta_curve_figure, flops_curve_figure, loss_figure, metric_figure
from dashboards.figures.gate_map import gate_map_figure
from dashboards.figures.task_deltas import task_deltas_figure
from dashboards.figures.theme import scheme_named
from dashboards.pages.trial_parts import pull_card, task_table, trial_facts, trial_header, trial_stats
from dashboards.polling import INTERVAL_MS, Seen, pause, poll
from dashboards.reader import Reader
from dashboards.sentences import curves_sentence, map_sentence, trial_sentence
from search.errors import StudyNotFoundError
from search.records import StudyView, TrialDetail, TrialState
from spaces.gate_map import GateMap

_HIDDEN = {"display": "none"}
_UNDER_WAY = (TrialState.QUEUED, TrialState.RUNNING)


def title(study: str, number: int) -> str:
    return f"Trial {number} of {study} · gatefront"


@dataclass(frozen=True, slots=True)
class TrialKey:
    """Which trial the page is about."""

    study: str
    number: int


def layout(study: str, number: int) -> Component:
    return html.Div(
        [
            html.Div(id=ids.TRIAL_BANNER, role="status"),
            html.Div(_content(), id=ids.TRIAL_CONTENT, style={"visibility": "hidden"}),
            dcc.Store(id=ids.TRIAL_KEY, data=[study, number]),
            dcc.Store(id=ids.TRIAL_SEEN),
            dcc.Interval(id=ids.TRIAL_TICK, interval=INTERVAL_MS),
        ]
    )


def _content() -> list[Component]:
    return [
        html.Div(id=ids.TRIAL_HEADER),
        html.Div(id=ids.TRIAL_STATS, className="block"),
        html.Div(id=ids.TRIAL_PULL, className="block"),
        html.Div(_gate_card(), className="block"),
        html.Div(_task_card(), className="block"),
        html.Div(_curves_card(), className="block"),
        html.Div(id=ids.TRIAL_FACTS, className="block"),
    ]


def _gate_card() -> Component:
    site = dmc.Select(
        id=ids.TRIAL_SITE, label="Channels of gate site", allowDeselect=False, searchable=True,
        maw=360, mt="sm", comboboxProps={"withinPortal": True},
    )  # fmt: skip
    return card(
        "What the tasks share",
        html.Div(id=ids.TRIAL_MAP_SENTENCE),
        html.Div(
            [
                html.Div(graph(ids.TRIAL_MAP, 280, "Gate map: own channels per task and gate site"), className="wide"),
                site,
                html.Div(id=ids.TRIAL_PATTERN_SENTENCE, className="pattern-sentence"),
                graph(ids.TRIAL_PATTERN, 210, "Channel pattern of the chosen gate site"),
            ],
            id=ids.TRIAL_MAP_BOX,
        ),
        note="Share of its channels each task keeps for itself; the rest it takes from the shared branch.",
    )


def _task_card() -> Component:
    return card(
        "Tasks against their single-task networks",
        dmc.Grid(
            [
                dmc.GridCol(html.Div(id=ids.TRIAL_TASKS), span={"base": 12, "lg": 6}),
                dmc.GridCol(
                    graph(ids.TRIAL_DELTAS, 220, "Change of every task against its single-task network"),
                    id=ids.TRIAL_DELTAS_BOX,
                    span={"base": 12, "lg": 6},
                ),
            ],
            gutter="xl",
            align="center",
        ),
    )


def _curves_card() -> Component:
    graphs = [
        (ids.TRIAL_METRICS, "Validation metrics"),
        (ids.TRIAL_DELTA_CURVE, "Δ_MTL"),
        (ids.TRIAL_FLOPS_CURVE, "FLOPs of the pruned network"),
        (ids.TRIAL_LOSSES, "Training losses"),
    ]
    panels = [
        html.Div([dmc.Text(title, fw=600, size="sm"), graph(component, 270, title)], className="panel")
        for component, title in graphs
    ]
    return card(
        "Training",
        html.Div(id=ids.TRIAL_CURVES_SENTENCE),
        dmc.SimpleGrid(panels, cols={"base": 1, "md": 2}, spacing="md", id=ids.TRIAL_CURVES_BOX),
        note="Measured at the end of every epoch, on the network as it would be pruned at that moment.",
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        *(Output(component, prop) for component, prop in _OUTPUTS),
        Input(ids.TRIAL_TICK, "n_intervals"),
        Input(ids.COLOR_SCHEME, "computedColorScheme"),
        State(ids.TRIAL_KEY, "data"),
        State(ids.TRIAL_SEEN, "data"),
        State(ids.TRIAL_SITE, "value"),
        running=pause(ids.TRIAL_TICK),
    )
    async def update(
        _: int | None, scheme: str | None, key: tuple[str, int], seen: dict[str, str] | None, site: str | None
    ) -> tuple[Any, ...]:
        return await asyncio.to_thread(trial_update, reader, TrialKey(*key), Seen.from_json(seen), scheme, site)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.next_figure(ids.TRIAL_MAP), "data"),
        Output(ids.next_figure(ids.TRIAL_PATTERN), "data"),
        Output(ids.TRIAL_PATTERN_SENTENCE, "children"),
        Input(ids.TRIAL_SITE, "value"),
        Input(ids.TRIAL_SEEN, "data"),
        State(ids.TRIAL_KEY, "data"),
        prevent_initial_call=True,
    )
    async def show_site(site: str | None, seen: dict[str, str] | None, key: tuple[str, int]) -> tuple[Any, ...]:
        return await asyncio.to_thread(site_update, reader, TrialKey(*key), Seen.from_json(seen), site)

    register_graphs(app, ids.TRIAL_MAP, ids.TRIAL_PATTERN, *_PLOTS)
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("gatefront", "chooseSite"),
        Output(ids.TRIAL_SITE, "value", allow_duplicate=True),
        Input(ids.TRIAL_MAP, "clickData"),
        prevent_initial_call=True,
    )


_PLOTS = (ids.TRIAL_DELTAS, ids.TRIAL_METRICS, ids.TRIAL_DELTA_CURVE, ids.TRIAL_FLOPS_CURVE, ids.TRIAL_LOSSES)
_OUTPUTS = (
    (ids.TRIAL_BANNER, "children"),
    (ids.TRIAL_CONTENT, "style"),
    (ids.TRIAL_HEADER, "children"),
    (ids.TRIAL_STATS, "children"),
    (ids.TRIAL_MAP_SENTENCE, "children"),
    (ids.TRIAL_MAP_BOX, "style"),
    (ids.TRIAL_SITE, "data"),
    (ids.TRIAL_SITE, "value"),
    (ids.TRIAL_TASKS, "children"),
    (ids.next_figure(ids.TRIAL_DELTAS), "data"),
    (ids.TRIAL_DELTAS_BOX, "style"),
    (ids.TRIAL_PULL, "children"),
    (ids.TRIAL_CURVES_SENTENCE, "children"),
    (ids.TRIAL_CURVES_BOX, "style"),
    (ids.next_figure(ids.TRIAL_METRICS), "data"),
    (ids.next_figure(ids.TRIAL_DELTA_CURVE), "data"),
    (ids.next_figure(ids.TRIAL_FLOPS_CURVE), "data"),
    (ids.next_figure(ids.TRIAL_LOSSES), "data"),
    (ids.TRIAL_FACTS, "children"),
    (ids.TRIAL_SEEN, "data"),
)


def trial_update(reader: Reader, key: TrialKey, seen: Seen, scheme: str | None, site: str | None) -> tuple[Any, ...]:
    """All outputs of the page, in the order of `_OUTPUTS`; `no_update` for what stays."""
    look = poll(seen, scheme, lambda: reader.revision(key.study), lambda: _read(reader, key))
    if look.status == "unchanged":
        return (no_update,) * len(_OUTPUTS)
    if look.value is None:
        keep = (no_update,) * (len(_OUTPUTS) - 3)
        if look.status == "missing":
            return missing(look.sentence), _HIDDEN, *keep, look.seen.to_json()
        return alert(look.sentence), no_update, *keep, look.seen.to_json()
    view, detail = look.value
    tasks, colors = view.summary.tasks, look.scheme
    gate_map = detail.gate_map
    return (
        alert(trial_sentence(detail), "blue" if detail.point.state in _UNDER_WAY else "orange"),
        {},
        trial_header(view, detail),
        trial_stats(view, detail),
        reason(map_sentence(detail)),
        {} if gate_map else _HIDDEN,
        [entry.name for entry in gate_map.sites] if gate_map else [],
        _chosen(gate_map, site),
        task_table(view, detail),
        task_deltas_figure(detail.delta_per_task, tasks, colors),
        {} if detail.delta_per_task else _HIDDEN,
        pull_card(detail),
        reason(curves_sentence(detail)),
        {} if detail.epochs else _HIDDEN,
        metric_figure(detail.epochs, tasks, colors),
        delta_curve_figure(detail.epochs, colors),
        flops_curve_figure(detail.epochs, view.summary.flop_budget, colors),
        loss_figure(detail.epochs, tasks, colors),
        trial_facts(detail),
        look.seen.to_json(),
    )


def site_update(reader: Reader, key: TrialKey, seen: Seen, site: str | None) -> tuple[Any, ...]:
    """The gate map with the chosen site framed, its channel pattern and the same in words."""
    if site is None:
        return (no_update,) * 3
    gate_map = reader.trial(key.study, key.number).gate_map
    chosen = next((entry for entry in gate_map.sites if entry.name == site), None) if gate_map else None
    if gate_map is None or chosen is None:
        return (no_update,) * 3
    colors = scheme_named(seen.scheme)
    return (
        gate_map_figure(
            gate_map, colors, keep=f"map-{key.study}-{key.number}", chosen=site, hint="click to see its channels"
        ),
        channel_pattern_figure(gate_map.tasks, chosen, colors),
        pattern_sentence(gate_map.tasks, chosen),
    )


def _read(reader: Reader, key: TrialKey) -> tuple[StudyView, TrialDetail]:
    view = reader.view(key.study)
    if all(point.number != key.number for point in view.points):
        raise StudyNotFoundError(f"Study {key.study} has no such trial.", hint="Its trials are listed on its page.")
    return view, reader.trial(key.study, key.number)


def _chosen(gate_map: GateMap | None, site: str | None) -> str | None:
    """The site whose channels are shown: the person's choice, else the one whose tasks are the most divided."""
    if gate_map is None:
        return None
    if any(entry.name == site for entry in gate_map.sites):
        return site
    divided = [sum(share * (1 - share) for share in shares) for shares in gate_map.own_fractions()]
    return gate_map.sites[divided.index(max(divided))].name
