"""Study page: the live front, its hypervolume, its trials, and their latency if it is measured."""

import asyncio
from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.figures.hypervolume import Over, hypervolume_figure
from gatefront.dashboards.figures.latency import HEIGHT, latency_figure, latency_sentence
from gatefront.dashboards.figures.theme import Scheme, scheme_named
from gatefront.dashboards.pages.study import front as study_front
from gatefront.dashboards.pages.study import points as study_points
from gatefront.dashboards.pages.study import two_points as study_pair
from gatefront.dashboards.pages.study.header import front_points, study_header, study_stats
from gatefront.dashboards.presentation.empty_states import front_sentence, hypervolume_sentence, page_sentence
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import (
    HIDDEN,
    alert,
    card,
    filled,
    graph,
    labelled,
    reason,
    register_graphs,
)
from gatefront.dashboards.widgets.figure_cache import ShownPoints
from gatefront.dashboards.widgets.polling import INTERVAL_MS, ClientState, Poll, no_update_outputs, pause, poll
from gatefront.dashboards.widgets.trial_table import table_height, trial_columns
from gatefront.search.results.records import StudyView
from gatefront.search.snapshots.protocol import Reader


def title(study: str) -> str:
    return f"{study} · gatefront"


# Outputs of a look at the study; see `study_update`.
_LOOK = (
    Output(ids.STUDY_BANNER, "children"),
    Output(ids.STUDY_CONTENT, "style"),
    Output(ids.STUDY_HEADER, "children"),
    Output(ids.STUDY_STATS, "children"),
    Output(ids.POINTS, "data"),
    Output(ids.FLOORS, "children"),
    Output(ids.AXIS, "data"),
    Output(ids.STUDY_FRONT_SENTENCE, "children"),
    Output(ids.STUDY_FRONT_POINTS, "children"),
    Output(ids.next_figure(ids.STUDY_HYPERVOLUME), "data"),
    Output(ids.STUDY_HYPERVOLUME_SENTENCE, "children"),
    Output(ids.STUDY_TRIALS, "columnDefs"),
    Output(ids.ROWS, "data"),
    Output(ids.STUDY_TRIALS, "style"),
    Output(ids.STUDY_LATENCY_BOX, "style"),
    Output(ids.STUDY_LATENCY_SENTENCE, "children"),
    Output(ids.next_figure(ids.STUDY_LATENCY), "data"),
    Output(ids.STUDY_SEEN, "data"),
)


def layout(reader: Reader, study: str, scheme: str | None = None) -> Component:
    """Return the page with its first look at the study, so that the browser need not ask for it."""
    return filled(_blank(study), _LOOK, study_update(reader, study, ClientState(), scheme))


def _blank(study: str) -> Component:
    return html.Div(
        [
            html.Div(id=ids.STUDY_BANNER, role="status"),
            html.Div(_content(), id=ids.STUDY_CONTENT, style={"visibility": "hidden"}),
            dcc.Store(id=ids.STUDY_NAME, data=study),
            dcc.Store(id=ids.STUDY_SEEN),
            dcc.Store(id=ids.POINTS),
            dcc.Interval(id=ids.STUDY_TICK, interval=INTERVAL_MS),
        ]
    )


def _content() -> list[Component]:
    over = dmc.SegmentedControl(
        id=ids.HYPERVOLUME_AXIS, value="trials", size="xs", mb="xs",
        data=[{"value": "trials", "label": "over trials"}, {"value": "cost", "label": "over cost"}],
        **labelled("what the hypervolume is drawn over"),
    )  # fmt: skip
    side = dmc.Stack(
        [
            card("On the front", html.Div(id=ids.STUDY_FRONT_POINTS, className="front-points")),
            card(
                "Hypervolume",
                html.Div(id=ids.STUDY_HYPERVOLUME_SENTENCE),
                over,
                graph(ids.STUDY_HYPERVOLUME, None, "Hypervolume of the front over finished trials, or over their cost"),
                note="The area the front gains over hard sharing.",
                className="fills",
            ),
        ],
        className="side",
    )
    columns = dmc.Grid(
        [
            dmc.GridCol(study_front.front_card(), span={"base": 12, "lg": 8}),
            dmc.GridCol(side, span={"base": 12, "lg": 4}),
        ],
        gutter="md",
    )
    return [
        html.Div(id=ids.STUDY_HEADER),
        html.Div(id=ids.STUDY_ACTIONS),
        html.Div(id=ids.STUDY_STATS, className="block"),
        html.Div(columns, className="block"),
        html.Div(study_pair.pair_card(), className="block"),
        html.Div(study_points.parameters_card(), className="block"),
        html.Div(study_points.table_card(), className="block"),
        html.Div(_latency_card(), id=ids.STUDY_LATENCY_BOX, className="block", style=HIDDEN),
        html.Div(id=ids.STUDY_EVENTS, className="block"),
    ]


def _latency_card() -> Component:
    return card(
        "Latency against FLOPs",
        html.Div(id=ids.STUDY_LATENCY_SENTENCE),
        graph(ids.STUDY_LATENCY, HEIGHT, "Latency against FLOPs of every measured network"),
        note="Networks of equal FLOPs that differ in time are where FLOPs mislead.",
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        *_LOOK,
        Input(ids.STUDY_TICK, "n_intervals"),
        Input(ids.COLOR_SCHEME, "computedColorScheme"),
        State(ids.STUDY_NAME, "data"),
        State(ids.STUDY_SEEN, "data"),
        State(ids.HYPERVOLUME_AXIS, "value"),
        State(ids.POINTS, "data"),
        running=pause(ids.STUDY_TICK),
        # The layout holds the first look. Waiting for another would delay what is drawn from it.
        prevent_initial_call=True,
    )
    async def update(
        _: int | None, scheme: str | None, study: str, seen: dict[str, str] | None, over: Over,
        shown: dict[str, str] | None,
    ) -> tuple[Any, ...]:  # fmt: skip
        return await asyncio.to_thread(study_update, reader, study, ClientState.from_json(seen), scheme, over, shown)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.next_figure(ids.STUDY_HYPERVOLUME), "data", allow_duplicate=True),
        Input(ids.HYPERVOLUME_AXIS, "value"),
        State(ids.STUDY_NAME, "data"),
        State(ids.STUDY_SEEN, "data"),
        prevent_initial_call=True,
    )
    async def hypervolume(over: Over, study: str, seen: dict[str, str] | None) -> Any:
        scheme = scheme_named(ClientState.from_json(seen).scheme)
        return await asyncio.to_thread(lambda: hypervolume_figure(reader.view(study), scheme, over))

    register_graphs(app, ids.STUDY_HYPERVOLUME, ids.STUDY_LATENCY)
    for part in (study_front, study_points, study_pair):
        part.register_callbacks(app, reader)
    clicks = ((ids.STUDY_FRONT, "clickData"), (ids.STUDY_LATENCY, "clickData"), (ids.STUDY_TRIALS, "cellClicked"))
    for component, event in clicks:
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("gatefront", "openTrial"),
            Output(ids.ADDRESS, "href", allow_duplicate=True),
            Input(component, event),
            State(ids.STUDY_NAME, "data"),
            prevent_initial_call=True,
        )


def study_update(
    reader: Reader,
    study: str,
    seen: ClientState,
    scheme: str | None,
    over: Over = "trials",
    shown: Mapping[str, str] | None = None,
) -> tuple[Any, ...]:
    """Return all outputs of the page, in the order of the callback, with `no_update` for what stays.

    Separate callbacks draw the finished points. A change of the `ShownPoints` starts them.
    """
    look: Poll[StudyView] = poll(seen, scheme, lambda: reader.revision(study), lambda: reader.view(study))
    if look.value is None:
        return no_update_outputs(look, len(_LOOK))
    view = look.value
    points = ShownPoints.of(view, look.scheme.name)
    sentence = front_sentence(view)
    # New column definitions would undo a person's sorting, new floors what was typed: they are sent once. The floors
    # come with the points, because either sets off the drawing of the front.
    columns = no_update if seen.revision else trial_columns(view)
    controls = (no_update, no_update) if seen.revision else study_front.controls(view)
    return (
        alert(page_sentence(view)),
        {},
        study_header(view),
        study_stats(view),
        no_update if points.to_json() == shown else points.to_json(),
        *controls,
        reason(sentence),
        front_points(view),
        hypervolume_figure(view, look.scheme, over),
        reason(hypervolume_sentence(view)),
        columns,
        look.seen.revision,
        table_height(view),
        *_latency(view, look.scheme),
        look.seen.to_json(),
    )


def _latency(view: StudyView, scheme: Scheme) -> tuple[Any, ...]:
    """Return the card's style, its sentence and its figure. The card is hidden if the study measures no latency."""
    if view.summary.latency is None:
        return HIDDEN, None, None
    return {}, reason(latency_sentence(view)), latency_figure(view, scheme)
