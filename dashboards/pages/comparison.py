"""Comparison page: every system of the field on one study's data, as a sortable table and on one plot."""

import asyncio
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.figures.comparison import HEIGHT, comparison_figure
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.comparison_table import comparison_columns, comparison_rows
from gatefront.dashboards.widgets.components import ZOOMING, card, graph, register_graphs, said
from gatefront.dashboards.widgets.links import study_path
from gatefront.dashboards.widgets.polling import INTERVAL_MS, ClientState, Poll, no_update_outputs, pause, poll
from gatefront.dashboards.widgets.trial_table import GRID_OPTIONS
from gatefront.search.cli.comparison_text import FAIRNESS
from gatefront.search.comparison import ComparisonTable
from gatefront.search.comparison.published import SOURCE, published_points
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.records import TrialPoint
from gatefront.search.snapshots.protocol import Reader


def title(name: str) -> str:
    return f"{name}, systems compared · gatefront"


def layout(name: str) -> Component:
    table = dag.AgGrid(
        id=ids.COMPARISON_TABLE,
        columnDefs=[],
        rowData=[],
        getRowId="params.data.system",
        defaultColDef={"sortable": True, "resizable": True, "wrapHeaderText": True, "autoHeaderHeight": True},
        dashGridOptions=GRID_OPTIONS | {"domLayout": "autoHeight"},
        columnSize="responsiveSizeToFit",
        style={"height": None},
    )
    plot = graph(ids.COMPARISON_PLOT, HEIGHT, "Δ_MTL against FLOPs of every system", tools=ZOOMING)
    content = [
        dmc.Title(f"{name}: systems compared", order=1, className="page-title"),
        html.Div(id=ids.COMPARISON_LEAD),
        html.Div(card("Systems", table, note="± is one standard deviation over seeds."), className="block"),
        html.Div(card("Accuracy against cost", html.Div(id=ids.COMPARISON_NOTE), plot), className="block"),
        html.Div(
            card("What makes them comparable", dmc.List([dmc.ListItem(said(rule)) for rule in FAIRNESS])),
            className="block",
        ),
    ]
    return html.Div(
        [
            html.Div(id=ids.COMPARISON_BANNER, role="status"),
            html.Div(content, id=ids.COMPARISON_CONTENT, style={"visibility": "hidden"}),
            dcc.Store(id=ids.COMPARISON_NAME, data=name),
            dcc.Store(id=ids.COMPARISON_SEEN),
            dcc.Interval(id=ids.COMPARISON_TICK, interval=INTERVAL_MS),
        ]
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.COMPARISON_BANNER, "children"),
        Output(ids.COMPARISON_CONTENT, "style"),
        Output(ids.COMPARISON_LEAD, "children"),
        Output(ids.COMPARISON_TABLE, "columnDefs"),
        Output(ids.COMPARISON_TABLE, "rowData"),
        Output(ids.COMPARISON_NOTE, "children"),
        Output(ids.next_figure(ids.COMPARISON_PLOT), "data"),
        Output(ids.COMPARISON_SEEN, "data"),
        Input(ids.COMPARISON_TICK, "n_intervals"),
        Input(ids.COLOR_SCHEME, "computedColorScheme"),
        State(ids.COMPARISON_NAME, "data"),
        State(ids.COMPARISON_SEEN, "data"),
        running=pause(ids.COMPARISON_TICK),
    )
    async def update(_: int | None, scheme: str | None, name: str, seen: dict[str, str] | None) -> tuple[Any, ...]:
        return await asyncio.to_thread(comparison_update, reader, name, ClientState.from_json(seen), scheme)

    register_graphs(app, ids.COMPARISON_PLOT)


_NUM_OUTPUTS = 8


def comparison_update(reader: Reader, name: str, seen: ClientState, scheme: str | None) -> tuple[Any, ...]:
    """Return all outputs of the page, in the order of the callback, with `no_update` for what stays."""
    look: Poll[ComparisonTable] = poll(
        seen, scheme, lambda: reader.comparison_revision(name), lambda: reader.comparison(name)
    )
    if look.value is None:
        return no_update_outputs(look, _NUM_OUTPUTS)
    table = look.value
    front, published = _front(reader, name), published_points(table.data)
    return (
        None,
        {},
        _lead(table, has_study=bool(front)),
        no_update if seen.revision else comparison_columns(table),
        comparison_rows(table),
        dmc.Text(f"Published: {SOURCE}.", size="sm", c="dimmed") if published else None,
        comparison_figure(table, front, published, look.scheme),
        look.seen.to_json(),
    )


def _front(reader: Reader, name: str) -> list[TrialPoint]:
    """Return the front of the study of the same name, if it was run."""
    try:
        return list(reader.view(name).front)
    except StudyNotFoundError:
        return []


def _lead(table: ComparisonTable, *, has_study: bool) -> Component:
    runs = sum(line.num_seeds for line in table.lines)
    words = f"{len(table.lines)} systems on {table.data}, {runs} runs so far."
    link = [" ", dcc.Link("The study's page", href=study_path(table.name))] if has_study else []
    lead: Component = dmc.Text([words, *link], c="dimmed", mb="sm")
    return lead
