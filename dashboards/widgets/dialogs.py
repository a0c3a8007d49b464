"""Dialogs that name, explain and confirm every change to a study before it is made."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.widgets.components import problem, said
from gatefront.dashboards.widgets.ids import dialog_part
from gatefront.dashboards.widgets.polling import UNREACHABLE

Act = Callable[..., str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """Dialog of one change: the button that opens it, its words, its ``fields`` by id, and the confirming button."""

    key: str
    button: str
    title: str
    words: str
    confirm: str
    fields: tuple[tuple[str, Component], ...] = ()
    is_grave: bool = False


def dialog_button(dialog: Dialog) -> Component:
    button: Component = dmc.Button(
        f"{dialog.button} …", id=dialog_part(dialog.key, "open"), variant="default", size="xs", disabled=True
    )
    return button


def dialog_box(dialog: Dialog) -> Component:
    """Return the closed dialog. Escape and the canceling button change nothing."""
    buttons = dmc.Group(
        [
            dmc.Button("Cancel", id=dialog_part(dialog.key, "cancel"), variant="default"),
            dmc.Button(
                dialog.confirm, id=dialog_part(dialog.key, "confirm"), color="red" if dialog.is_grave else "blue"
            ),
        ],
        justify="flex-end",
        mt="md",
    )
    box: Component = dmc.Modal(
        [
            dmc.Text(said(dialog.words), size="sm", mb="sm"),
            dmc.Stack([component for _, component in dialog.fields], gap="sm"),
            html.Div(id=dialog_part(dialog.key, "error"), role="alert", className="dialog-error"),
            buttons,
        ],
        id=dialog_part(dialog.key, "box"), title=dialog.title, opened=False, centered=True,
        closeButtonProps={"aria-label": "Close"},
    )  # fmt: skip
    return box


def register_dialog(app: Dash, dialog: Dialog, act: Act, *, subject: str, note: str) -> None:
    """Open, close and confirm a dialog.

    ``act`` is called with the data of the store ``subject`` and the fields' values. ``note`` shows the sentence that it
    returns. An error is shown in the dialog, which stays open.
    """
    box, error = dialog_part(dialog.key, "box"), dialog_part(dialog.key, "error")
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("gatefront", "openDialog"),
        Output(box, "opened"),
        Output(error, "children"),
        Input(dialog_part(dialog.key, "open"), "n_clicks"),
        Input(dialog_part(dialog.key, "cancel"), "n_clicks"),
        prevent_initial_call=True,
    )

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(box, "opened", allow_duplicate=True),
        Output(error, "children", allow_duplicate=True),
        Output(note, "children", allow_duplicate=True),
        Input(dialog_part(dialog.key, "confirm"), "n_clicks"),
        State(subject, "data"),
        *(State(component_id, "value") for component_id, _ in dialog.fields),
        running=[(Output(dialog_part(dialog.key, "confirm"), "loading"), True, False)],
        prevent_initial_call=True,
    )
    async def confirm(clicks: int | None, about: Any, *values: Any) -> tuple[Any, ...]:
        return await asyncio.to_thread(confirmed, act, about, values) if clicks else (no_update,) * 3


def confirmed(act: Act, about: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return True if the dialog stays open, the error that it shows, and the sentence under the buttons."""
    try:
        done = act(about, *values)
    except UNREACHABLE as error:
        return True, problem(error), no_update
    return False, None, done


ACTOR = "dashboard"
"""Name of the actor of a change. A service that knows its callers puts their names in its place."""
