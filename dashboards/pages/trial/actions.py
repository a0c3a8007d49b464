"""Parts of the trial page beside its result: the void and its withdrawal, origin, cost and log."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.pages.trial.provenance import log_card, origin_cards
from gatefront.dashboards.presentation.disabled_actions import refusal_sentence, trial_refusals
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.dialogs import ACTOR, Dialog, dialog_box, dialog_button, register_dialog
from gatefront.dashboards.widgets.polling import UNREACHABLE
from gatefront.search.service.control.study_control import StudyControl
from gatefront.search.snapshots.protocol import Reader

_VOID = Dialog(
    key="void", button="Declare void", title="Declare this trial void?", confirm="Declare void", is_grave=True,
    words="It stays in the tables with its reason, and takes no part in front, best point, bundles and sampling, nor "
    "do the points derived from it. The study trains another one in its place. This can be taken back.",
    fields=(
        (
            ids.TRIAL_VOID_REASON,
            dmc.TextInput(
                id=ids.TRIAL_VOID_REASON, label="Reason", description="It is kept and shown.", value=""
            ),
        ),
    ),
)  # fmt: skip
_UNVOID = Dialog(
    key="unvoid", button="Take the void back", title="Take the void back?", confirm="Take it back",
    words="The trial counts again as it did before.",
)  # fmt: skip
_NAMES = {dialog.key: dialog.button for dialog in (_VOID, _UNVOID)}


def register_callbacks(app: Dash, reader: Reader, control: StudyControl | None) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.TRIAL_ORIGIN, "children"),
        Output(ids.TRIAL_LOG, "children"),
        Input(ids.TRIAL_SEEN, "data"),
        State(ids.TRIAL_KEY, "data"),
        prevent_initial_call=True,
    )
    async def show_origin(_: Any, key: tuple[str, int, int]) -> tuple[Any, ...]:
        return await asyncio.to_thread(origin_update, reader, key[0], key[1])

    if control is not None:
        _register_buttons(app, reader, control)


def origin_update(reader: Reader, study: str, number: int) -> tuple[Any, ...]:
    """Return the cards of origin and cost, and the log, with `no_update` while they cannot be read."""
    try:
        view, detail, provenance = reader.view(study), reader.trial(study, number), reader.provenance(study, number)
    except UNREACHABLE:
        return no_update, no_update
    return origin_cards(view, detail, provenance), log_card(provenance)


def _register_buttons(app: Dash, reader: Reader, control: StudyControl) -> None:
    @app.callback(Output(ids.TRIAL_ACTIONS, "children"), Input(ids.TRIAL_KEY, "data"))  # type: ignore[untyped-decorator, unused-ignore]
    def show_buttons(_: Any) -> Component:
        return _action_bar()

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        *(Output(ids.dialog_part(key, "open"), "disabled") for key in _NAMES),
        Output(ids.TRIAL_ACTION_REASONS, "children"),
        Input(ids.TRIAL_SEEN, "data"),
        Input(ids.TRIAL_ACTION_NOTE, "children"),
        State(ids.TRIAL_KEY, "data"),
    )
    async def allow(_seen: Any, _note: Any, key: tuple[str, int, int]) -> tuple[Any, ...]:
        return await asyncio.to_thread(allowed, reader, key[0], key[1])

    def void(key: tuple[str, int, int], reason: str | None) -> str:
        control.void(key[0], key[1], reason or "", actor=ACTOR)
        return "The trial is void."

    def unvoid(key: tuple[str, int, int]) -> str:
        control.unvoid(key[0], key[1], actor=ACTOR)
        return "The trial counts again."

    for dialog, act in ((_VOID, void), (_UNVOID, unvoid)):
        register_dialog(app, dialog, act, subject=ids.TRIAL_KEY, note=ids.TRIAL_ACTION_NOTE)


def allowed(reader: Reader, study: str, number: int) -> tuple[Any, ...]:
    """Return which buttons are disabled, in order, and the sentence with the reasons."""
    try:
        refused = trial_refusals(reader.trial(study, number).point.state)
    except UNREACHABLE:
        return True, True, ""
    # If a trial can be declared void, it is obvious that it is not void.
    said = refused if "void" in refused and "unvoid" in refused else {}
    return *(key in refused for key in _NAMES), refusal_sentence(said, _NAMES)


def _action_bar() -> Component:
    dialogs = (_VOID, _UNVOID)
    return html.Div(
        [
            dmc.Group([dialog_button(dialog) for dialog in dialogs], gap="xs"),
            html.Div(id=ids.TRIAL_ACTION_REASONS, className="action-reasons"),
            html.Div(id=ids.TRIAL_ACTION_NOTE, className="action-note", role="status"),
            *(dialog_box(dialog) for dialog in dialogs),
        ],
        className="actions",
    )
