"""What the tasks of one network share, in further pictures: who with whom, where they part, and what it costs."""

import asyncio
from typing import Any

from dash import Dash, Input, Output, State, no_update

from gatefront.dashboards.figures.sharing import affinity_figure, flops_figure, flow_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.trial.key import TrialKey
from gatefront.dashboards.presentation.selection_text import sharing_sentence
from gatefront.dashboards.widgets import front_ids, ids
from gatefront.dashboards.widgets.components import HIDDEN, reason, register_graphs
from gatefront.dashboards.widgets.polling import UNREACHABLE, Seen
from gatefront.search.snapshots.protocol import Reader

_NUM_OUTPUTS = 5


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(front_ids.SHARING_BOX, "style"),
        Output(front_ids.WORDS_OF_MAP, "children"),
        Output(ids.next_figure(front_ids.AFFINITY), "data"),
        Output(ids.next_figure(front_ids.FLOPS), "data"),
        Output(ids.next_figure(front_ids.FLOW), "data"),
        Input(ids.TRIAL_SEEN, "data"),
        State(ids.TRIAL_KEY, "data"),
        prevent_initial_call=True,
    )
    async def draw(seen: dict[str, str] | None, key: tuple[str, int, int]) -> tuple[Any, ...]:
        return await asyncio.to_thread(sharing_update, reader, TrialKey(*key), Seen.from_json(seen))

    register_graphs(app, front_ids.AFFINITY, front_ids.FLOPS, front_ids.FLOW)


def sharing_update(reader: Reader, key: TrialKey, seen: Seen) -> tuple[Any, ...]:
    """Whether the card is shown, what it says and its three figures; nothing without a study."""
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
