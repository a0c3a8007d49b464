"""Gates of a trial over its training: the map after the epoch that a slider is set to."""

import asyncio
from itertools import pairwise
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.figures.gate_map import gate_map_figure, map_height
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.presentation.gate_history_text import epoch_sentence, no_course_sentence
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import HIDDEN, card, graph, reason, register_graphs
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import UNREACHABLE, ClientState
from gatefront.search.results.gate_history import EpochGates, GateHistory
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.protocol import Reader

_NUM_OUTPUTS = 8


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.COURSE_BOX, "style"),
        Output(ids.COURSE_MAP_BOX, "style"),
        Output(ids.COURSE_SENTENCE, "children"),
        Output(ids.next_figure(ids.COURSE), "data"),
        Output(ids.COURSE_EPOCH, "min"),
        Output(ids.COURSE_EPOCH, "max"),
        Output(ids.COURSE_EPOCH, "marks"),
        Output(ids.COURSE_EPOCH, "value"),
        Input(ids.TRIAL_SEEN, "data"),
        Input(ids.COURSE_EPOCH, "value"),
        Input(ids.WIDTH, "value"),
        State(ids.COURSE_EPOCH, "max"),
        State(ids.TRIAL_KEY, "data"),
        prevent_initial_call=True,
    )
    async def draw(
        seen: dict[str, str] | None, epoch: int | None, width: str, last: int, key: tuple[str, int, int]
    ) -> tuple[Any, ...]:
        # A person who looks at the last epoch is shown the next last one.
        is_chosen = ctx.triggered_id == ids.COURSE_EPOCH or (epoch is not None and epoch < last)
        return await asyncio.to_thread(
            lambda: course_update(
                reader,
                TrialKey(*key),
                ClientState.from_json(seen),
                epoch if is_chosen else None,
                by_flops=width == "flops",
            )
        )

    register_graphs(app, ids.COURSE)


def course_update(
    reader: Reader, key: TrialKey, seen: ClientState, epoch: int | None, *, by_flops: bool = False
) -> tuple[Any, ...]:
    """Return all outputs, in the order of the callback. Without a chosen ``epoch`` they show the last one."""
    if not seen.revision:
        return (no_update,) * _NUM_OUTPUTS
    try:
        course = reader.gate_history(key.study, key.number)
        detail = reader.trial(key.study, key.number)
    except UNREACHABLE:
        return (no_update,) * _NUM_OUTPUTS
    nothing = (no_update,) * (_NUM_OUTPUTS - 3)
    if not course.epochs:
        has_no_gates = detail.point.state is TrialState.COMPLETE and detail.gate_map is None
        return (HIDDEN if has_no_gates else {}, HIDDEN, reason(no_course_sentence(detail)), *nothing)
    shown = shown_epoch(course, epoch)
    figure = gate_map_figure(
        shown.gates, scheme_named(seen.scheme), keep=f"course-{key.study}-{key.number}", by_flops=by_flops
    )
    first, last = course.epochs[0].epoch, course.epochs[-1].epoch
    value = no_update if shown.epoch == epoch else shown.epoch
    return {}, {}, epoch_sentence(course, shown), figure, first, last, cuts(course), value


def shown_epoch(course: GateHistory, epoch: int | None) -> EpochGates:
    """Return the chosen epoch, the last known one before it, or the first one.

    None selects the last epoch.
    """
    if epoch is None:
        return course.epochs[-1]
    return max((found for found in course.epochs if found.epoch <= epoch), key=lambda found: found.epoch,
               default=course.epochs[0])  # fmt: skip


def cuts(course: GateHistory) -> list[dict[str, int]]:
    """Return marks of a slider at the first epoch of every phase but the first one."""
    return [{"value": after.epoch} for before, after in pairwise(course.epochs) if before.phase != after.phase]


_FEW_TASKS = 3


def course_card() -> Component:
    """Return the card, which is hidden for a network without gates."""
    slider = dmc.Slider(
        id=ids.COURSE_EPOCH, min=0, max=1, step=1, value=None, updatemode="drag", size="sm", mb="md", mt="xl",
        thumbLabel="epoch whose gates are shown",
    )  # fmt: skip
    label = "Gate map after the chosen epoch: own channels per task and gate site"
    return html.Div(
        card(
            "The gates while they trained",
            html.Div(id=ids.COURSE_SENTENCE, role="status", className="pattern-sentence"),
            html.Div(
                [slider, html.Div(graph(ids.COURSE, map_height(_FEW_TASKS), label), className="wide")],
                id=ids.COURSE_MAP_BOX,
                style=HIDDEN,
            ),
            note="The same map after every epoch. Drag the slider, or use the arrow keys; at its marks the gates were "
            "cut and frozen.",
        ),
        id=ids.COURSE_BOX,
        className="block",
        style=HIDDEN,
    )
