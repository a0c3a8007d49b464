"""Points of a study: one selection in plot, table and across the parameters, and the parameters' importance."""

import asyncio
from collections.abc import Mapping
from threading import Lock
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.figures.points import PARALLEL_HEIGHT, importance_figure, parallel_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.study.front import selected_labels
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import HIDDEN, card, graph, reason, register_graphs
from gatefront.dashboards.widgets.figure_cache import FigureCache, ShownPoints
from gatefront.dashboards.widgets.polling import UNREACHABLE
from gatefront.dashboards.widgets.trial_table import GRID_OPTIONS, trial_window
from gatefront.search.results.param_importance import parameter_importances
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.protocol import Reader

_PARAMETER = "points-parameter"
_NUM_OUTPUTS = 6
# Growth of the number of complete trials after which the shares are computed again.
_GROWTH = 1.1


def table_card() -> Component:
    """Return the card with the table of trials.

    Rows are sent as they are scrolled to, so that ten thousand trials are as quick as ten.
    """
    table = dag.AgGrid(
        id=ids.STUDY_TRIALS,
        columnDefs=[],
        rowModelType="infinite",
        getRowId="params.data.id",
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressMovable": True,
            "wrapHeaderText": True,
            "autoHeaderHeight": True,
        },
        dashGridOptions=GRID_OPTIONS
        | {
            "cacheBlockSize": 100,
            "infiniteInitialRowCount": 1,
            "rowSelection": {"mode": "multiRow", "headerCheckbox": False, "enableClickSelection": False},
        },
        columnSize="responsiveSizeToFit",
        style={"height": "120px"},
    )
    selection = dmc.Group(
        [
            html.Div(id=ids.SELECTION, role="status"),
            dmc.Button("Show all", id=ids.SHOW_ALL, size="compact-xs", variant="light", display="none"),
        ],
        gap="sm",
    )
    stores = [dcc.Store(id=ids.SELECTED), dcc.Store(id=ids.ROWS), dcc.Store(id=_PARAMETER)]
    return card(
        "Trials", selection, table, *stores,
        note="Click a row to open the trial; tick rows to see them in the plots.",
    )  # fmt: skip


def parameters_card() -> Component:
    return card(
        "Parameters",
        dmc.Grid(
            [
                dmc.GridCol(
                    [
                        html.Div(id=ids.PARALLEL_SENTENCE),
                        html.Div(
                            graph(ids.PARALLEL, PARALLEL_HEIGHT, "Parameters, FLOPs and Δ_MTL of complete trials"),
                            id=ids.PARALLEL_BOX,
                            className="wide",
                            style=HIDDEN,
                        ),
                    ],
                    span={"base": 12, "lg": 8},
                ),
                dmc.GridCol(
                    [
                        html.Div(
                            graph(ids.IMPORTANCE, 260, "What share each parameter has in Δ_MTL and in FLOPs"),
                            id=ids.IMPORTANCE_BOX,
                            style=HIDDEN,
                        ),
                        html.Div(id=ids.IMPORTANCE_SENTENCE),
                    ],
                    span={"base": 12, "lg": 4},
                ),
            ],
            gutter="md",
        ),
        note="Brush an axis to select trials, here and in the plot and the table. "
        "Click a bar to bring its parameter to the front.",
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    importances, drawn = Importances(), FigureCache[tuple[Any, ...]]()

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.STUDY_TRIALS, "getRowsResponse"),
        Input(ids.STUDY_TRIALS, "getRowsRequest"),
        State(ids.SELECTED, "data"),
        State(ids.STUDY_NAME, "data"),
        prevent_initial_call=True,
    )
    async def rows(request: Mapping[str, Any] | None, selected: Mapping[str, Any] | None, study: str) -> Any:
        return await asyncio.to_thread(rows_answer, reader, study, request, selected)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.next_figure(ids.PARALLEL), "data"),
        Output(ids.next_figure(ids.IMPORTANCE), "data"),
        Output(ids.IMPORTANCE_SENTENCE, "children"),
        Output(ids.PARALLEL_SENTENCE, "children"),
        Output(ids.PARALLEL_BOX, "style"),
        Output(ids.IMPORTANCE_BOX, "style"),
        Input(ids.POINTS, "data"),
        Input(ids.SELECTED, "data"),
        Input(_PARAMETER, "data"),
        State(ids.STUDY_NAME, "data"),
    )
    async def parameters(
        points: dict[str, str] | None, selected: Mapping[str, Any] | None, parameter: str | None, study: str
    ) -> tuple[Any, ...]:
        shown, labels = ShownPoints.from_json(points), selected_labels(selected)
        if shown is None:
            return (no_update,) * _NUM_OUTPUTS
        return await asyncio.to_thread(
            drawn.get_or_draw,
            (shown, labels, parameter),
            lambda: parameters_update(reader, importances, study, shown.scheme, labels, parameter),
            (no_update,) * _NUM_OUTPUTS,
        )

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.SELECTION, "children"),
        Output(ids.SHOW_ALL, "display"),
        Input(ids.SELECTED, "data"),
    )
    def say(selected: Mapping[str, Any] | None) -> tuple[Any, ...]:
        return reason(selection_sentence(selected)), "none" if selected is None else None

    register_graphs(app, ids.PARALLEL, ids.IMPORTANCE)
    _register_selection(app)


def _register_selection(app: Dash) -> None:
    """Register the callbacks that run in the browser alone: from frame, brush or tick to the selection, and back."""
    selected = Output(ids.SELECTED, "data", allow_duplicate=True)
    for function, output, inputs in (
        ("selectInPlot", selected, [Input(ids.STUDY_FRONT, "selectedData")]),
        ("selectLines", selected, [Input(ids.PARALLEL, "restyleData")]),
        ("selectRows", selected, [Input(ids.STUDY_TRIALS, "selectedRows")]),
        ("selectParameter", Output(_PARAMETER, "data"), [Input(ids.IMPORTANCE, "clickData")]),
        (
            "refreshRows",
            Output(ids.ROWS, "clear_data"),
            [Input(ids.ROWS, "data"), Input(ids.SELECTED, "data")],
        ),
    ):
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("gatefrontPoints", function), output, *inputs, prevent_initial_call=True
        )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        "function () { return [null, []]; }",
        selected,
        Output(ids.STUDY_TRIALS, "selectedRows", allow_duplicate=True),
        Input(ids.SHOW_ALL, "n_clicks"),
        prevent_initial_call=True,
    )


def rows_answer(
    reader: Reader, study: str, request: Mapping[str, Any] | None, selected: Mapping[str, Any] | None
) -> Any:
    """Return the rows that the table asks for. A selection in the table itself keeps the other rows."""
    if request is None:
        return no_update
    labels = None if not selected or selected["source"] == "table" else selected_labels(selected)
    try:
        return trial_window(reader.view(study), request, labels)
    except UNREACHABLE:
        return no_update


def selection_sentence(selected: Mapping[str, Any] | None) -> str | None:
    """Return how many points are selected and where, as a sentence, or None without a selection."""
    if not selected:
        return None
    number = len(selected["labels"])
    where = {"plot": "in the plot", "parallel": "across the parameters", "table": "in the table"}[selected["source"]]
    return f"{number} {'point' if number == 1 else 'points'} selected {where}."


class Importances:
    """Cache of the parameters' shares, which take a while and hardly change with a few more trials."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[str, Any], tuple[int, dict[str, dict[str, float]]]] = {}

    def of(self, view: StudyView) -> dict[str, dict[str, float]]:
        """Return the shares of the study, of now or of when it had up to a tenth fewer complete trials."""
        number = view.summary.state_counts.get(TrialState.COMPLETE, 0)
        key = (view.summary.name, view.summary.created_at)
        with self._lock:
            known, shares = self._kept.get(key, (0, {}))
            if not shares or not known <= number <= _GROWTH * known:
                shares = parameter_importances(view)
                self._kept[key] = (number, shares)
            return shares


def parameters_update(
    reader: Reader,
    importances: Importances,
    study: str,
    scheme: str,
    selected: frozenset[str] | None = None,
    parameter: str | None = None,
) -> tuple[Any, ...]:
    """Return the lines, the bars, the sentences about both, and which of them are shown."""
    view = reader.view(study)
    shares = importances.of(view)
    colors = scheme_named(scheme)
    order = [] if parameter is None else [parameter]
    order += sorted(shares.get("delta_mtl", {}), key=lambda name: -shares["delta_mtl"][name])
    lines = parallel_figure(view, colors, order=list(dict.fromkeys(order)), selected=selected)
    words = (
        "PED-ANOVA over the complete trials: what tells the best tenth from the rest."
        if shares
        else "Which parameters mattered is known after eight complete trials, if one varies."
    )
    bars = importance_figure(shares, colors, parameter)
    too_few = lines_sentence(view)
    shown = HIDDEN if too_few else {}, {} if shares else HIDDEN
    return lines, bars, reason(words), reason(too_few), *shown


def lines_sentence(view: StudyView) -> str | None:
    """Return why there are no lines across the parameters, or None if there are at least two trials."""
    number = view.summary.state_counts.get(TrialState.COMPLETE, 0)
    if number > 1:
        return None
    found = "One trial is complete" if number else "No trial is complete"
    return f"{found} so far; from two on their parameters are drawn here, a line per trial."
