"""Further figures of sharing in one network: which tasks share, where they part, and what it costs."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.figures.sharing import FLOW_HEIGHT, affinity_figure, flops_figure, flow_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.presentation.selection_text import sharing_sentence
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import HIDDEN, card, graph, reason, register_graphs
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import UNREACHABLE, ClientState
from gatefront.search.snapshots.protocol import Reader

_NUM_OUTPUTS = 5


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.SHARING_BOX, "style"),
        Output(ids.WORDS_OF_MAP, "children"),
        Output(ids.next_figure(ids.AFFINITY), "data"),
        Output(ids.next_figure(ids.FLOPS), "data"),
        Output(ids.next_figure(ids.FLOW), "data"),
        Input(ids.TRIAL_SEEN, "data"),
        State(ids.TRIAL_KEY, "data"),
        prevent_initial_call=True,
    )
    async def draw(seen: dict[str, str] | None, key: tuple[str, int, int]) -> tuple[Any, ...]:
        return await asyncio.to_thread(sharing_update, reader, TrialKey(*key), ClientState.from_json(seen))

    register_graphs(app, ids.AFFINITY, ids.FLOPS, ids.FLOW)


def sharing_update(reader: Reader, key: TrialKey, seen: ClientState) -> tuple[Any, ...]:
    """Return the card's style, its words and its three figures, with `no_update` where nothing can be drawn."""
    if not seen.revision:
        return (no_update,) * _NUM_OUTPUTS
    try:
        networks = reader.trial(key.study, key.number).networks
    except UNREACHABLE:
        return (no_update,) * _NUM_OUTPUTS
    gate_map = next((network.gate_map for network in networks if network.point.derived == key.derived), None)
    if gate_map is None or not gate_map.sites:
        return (HIDDEN, *(no_update,) * (_NUM_OUTPUTS - 1))
    scheme = scheme_named(seen.scheme)
    figures = affinity_figure(gate_map, scheme), flops_figure(gate_map, scheme), flow_figure(gate_map, scheme)
    return ({}, reason(sharing_sentence(gate_map)), *figures)


def sharing_card() -> Component:
    """Return the card, which is hidden until the network has a gate map."""
    titles = [
        (ids.AFFINITY, "Who shares with whom", 320, "Part of a branch that two tasks both share", ""),
        (
            ids.FLOPS,
            "FLOPs per site",
            300,
            "FLOPs of the shared branch and each task's own, per gate site",
            "wide",
        ),
    ]
    panels = [
        html.Div(
            [dmc.Text(title, fw=600, size="sm"), html.Div(graph(component, height, label), className=way)],
            className="panel",
        )
        for component, title, height, label, way in titles
    ]
    flow = [
        dmc.Text("Where the tasks part", fw=600, size="sm", mt="sm"),
        html.Div(graph(ids.FLOW, FLOW_HEIGHT, "Shared and own features from stage to stage"), className="wide"),
    ]
    return html.Div(
        card(
            "Sharing in depth",
            html.Div(id=ids.WORDS_OF_MAP),
            dmc.SimpleGrid(panels, cols={"base": 1, "md": 2}, spacing="md"),
            *flow,
            note="By FLOPs, at the mean cost of a site's channels. A task's ribbon leaves the grey trunk "
            "for what it keeps for itself.",
        ),
        id=ids.SHARING_BOX,
        className="block",
        style=HIDDEN,
    )
