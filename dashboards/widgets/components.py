"""Building blocks that all pages share."""

import json
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.widgets.ids import next_figure
from gatefront.dashboards.widgets.links import STUDIES
from gatefront.search.results.states import StudyState, TrialState
from gatefront.spaces.errors import GatefrontError

Children = Component | str | Sequence[Component | str] | None
HIDDEN = {"display": "none"}
"""Style of a component that is not shown now."""

# A sign beside the word, so that no state is shown by color alone.
_TRIAL_STATES = {
    TrialState.QUEUED: ("◌", "queued", "gray"),
    TrialState.RUNNING: ("▶", "running", "blue"),
    TrialState.STOPPED_EARLY: ("◐", "stopped early", "gray"),
    TrialState.COMPLETE: ("✓", "complete", "teal"),
    TrialState.FAILED: ("✕", "failed", "orange"),
    TrialState.LOST: ("?", "lost", "orange"),
    TrialState.VOID: ("⊘", "void", "gray"),
}
_STUDY_STATES = {
    StudyState.PREPARING: ("▶", "training references", "blue"),
    StudyState.RUNNING: ("▶", "running", "blue"),
    StudyState.STOPPING: ("◐", "stopping", "gray"),
    StudyState.STOPPED: ("■", "stopped", "gray"),
    StudyState.COMPLETE: ("✓", "complete", "teal"),
    StudyState.FAILED: ("✕", "failed", "orange"),
    StudyState.LOST: ("?", "driver lost", "orange"),
}
ZOOMING = ("zoom2d", "pan2d", "resetScale2d")
SELECTING = ("select2d", *ZOOMING)
_FORMATS = ("png", "svg", "csv")


def state_label(state: TrialState) -> str:
    """Return the sign and the word for tables, such as ``✓ complete``."""
    sign, word, _ = _TRIAL_STATES[state]
    return f"{sign} {word}"


def trial_badge(state: TrialState) -> Component:
    return _badge(*_TRIAL_STATES[state])


def study_badge(state: StudyState) -> Component:
    return _badge(*_STUDY_STATES[state])


def _badge(sign: str, word: str, color: str) -> Component:
    badge: Component = dmc.Badge(f"{sign} {word}", color=color, variant="light", size="lg", tt="none", fw=600)
    return badge


def card(title: str, *children: Children, note: str = "", **props: Any) -> Component:
    """Return a titled box."""
    head: list[Component] = [dmc.Title(title, order=2, className="card-title")]
    if note:
        head.append(dmc.Text(note, size="sm", c="dimmed"))
    content = [html.Div(head, className="card-head"), *children]
    box: Component = dmc.Paper(content, withBorder=True, radius="md", p="md", **props)
    return box


def stat(label: str, value: Children, detail: Children = None) -> Component:
    """Return one figure of the header row: its name, its value and its measure of comparison."""
    parts = [
        html.Div(label, className="stat-label"),
        html.Div(value, className="stat-value"),
        html.Div(detail, className="stat-detail"),
    ]
    box: Component = dmc.Paper(parts, withBorder=True, radius="md", px="md", py="sm", className="stat")
    return box


def stats(items: Sequence[Component]) -> Component:
    row: Component = dmc.SimpleGrid(list(items), cols={"base": 2, "sm": 3, "lg": len(items)}, spacing="sm")
    return row


def alert(sentence: str | None, color: str = "orange") -> Component | None:
    """Return a full-width alert with the sentence, or None without a sentence."""
    return dmc.Alert(said(sentence), color=color, variant="light", radius="md", mb="md") if sentence else None


def problem(error: Exception) -> Component:
    """Return an error for a person: the fault, and the remedy on a separate line."""
    if isinstance(error, GatefrontError):
        lines = [error.message, error.hint]
    else:
        lines = [f"The database cannot be reached: {str(error).strip().partition(chr(10))[0]}"]
    box: Component = dmc.Alert(
        [html.Div(said(line)) for line in lines if line], color="red", variant="light", radius="md", mt="sm"
    )
    return box


def missing(sentence: str) -> Component:
    """Return the page for a missing study or trial: the sentence, and a link to all studies."""
    return html.Div(
        [
            dmc.Title("Not found", order=1, className="page-title"),
            dmc.Text(said(sentence), mt="sm"),
            dmc.Text(dcc.Link("All studies", href=STUDIES), mt="sm"),
        ]
    )


def reason(sentence: str | None) -> Component | None:
    """Return the sentence in the place of a picture that cannot be drawn, or None without a sentence."""
    return dmc.Text(said(sentence), size="sm", c="dimmed", className="reason") if sentence else None


def said(sentence: str) -> list[Component | str]:
    """Return a sentence whose `commands` between back-quotes are set as code."""
    parts = sentence.split("`")
    return [dmc.Code(part) if index % 2 else part for index, part in enumerate(parts) if part]


def graph(component_id: str, height: int | None, label: str, *, tools: Sequence[str] = ()) -> Component:
    """Return the place of a plot, at its final height so that the page does not jump, and named for screen readers.

    ``assets/plots.js`` puts the plot there with its first figure, because Plotly takes a while to draw even an empty
    one. Without a height (None) the plot fills its box. Dragging zooms and a double click zooms out, with or without
    the ``tools``, which are Plotly's names of buttons. Under the plot are buttons that save it, which
    ``assets/export.js`` handles.
    """
    plot = dcc.Graph(
        id=component_id,
        config={"displayModeBar": bool(tools), "displaylogo": False, "modeBarButtons": [list(tools)]},
        responsive=True if height is None else "auto",
        style={"height": "100%"} if height is None else {},
    )
    props: dict[str, Any] = {"data-plot": json.dumps(plot.to_plotly_json())}  # type: ignore[no-untyped-call]
    style = {} if height is None else {"minHeight": f"{height}px"}
    place: Component = html.Div(id=_place(component_id), className="plot", style=style, **props)
    box: Component = html.Div(
        [dcc.Store(id=next_figure(component_id)), place, _saving(label)],
        role="group",
        className="graph tools" if tools else "graph",
        **labelled(label),
    )
    return box


def _place(graph: str) -> str:
    return f"{graph}-place"


def _saving(label: str) -> Component:
    row: Component = html.Span([_save_button(kind, label) for kind in _FORMATS], className="saving")
    return row


def _save_button(kind: str, label: str) -> Component:
    props: dict[str, Any] = {"data-save": kind} | labelled(f"save as {kind.upper()}: {label}")
    button: Component = html.Button(kind.upper(), type="button", **props)
    return button


def register_graphs(app: Dash, *graphs: str) -> None:
    """Draw each plot's next figure in the browser, at the zoom that the person chose. Plots out of sight come later.

    Plotly's ``uirevision`` alone is not enough. Since Dash 4.4 a plot writes its zoom into its own figure, and Plotly
    then reads the next figure's range as an intended change.
    """
    for component_id in graphs:
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("gatefrontPlots", "draw"),
            Output(_place(component_id), "children"),
            Input(next_figure(component_id), "data"),
        )


def filled(page: Component, outputs: Sequence[Output], values: Sequence[Any]) -> Component:
    """Return the page as a callback with these outputs would leave it."""
    for output, value in zip(outputs, values, strict=True):
        if value is not no_update:
            setattr(page[output.component_id], output.component_property, value)
    return page


def labelled(label: str) -> dict[str, Any]:
    """Return the name that a screen reader reads out, as properties of a component."""
    return {"aria-label": label}


def facts(rows: Sequence[tuple[str, Children]]) -> Component:
    """Return names and values, one pair a line."""
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(value)], className="fact") for name, value in rows], className="facts"
    )
