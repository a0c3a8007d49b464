"""Actions of a person on a study, on its page, and the record of earlier actions."""

import asyncio
from collections.abc import Callable
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.presentation.disabled_actions import refusal_sentence, study_refusals
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import card
from gatefront.dashboards.widgets.dialogs import ACTOR, Dialog, dialog_box, dialog_button, register_dialog
from gatefront.dashboards.widgets.polling import UNREACHABLE
from gatefront.search.results.formats import format_time
from gatefront.search.results.records import StudyEvent
from gatefront.search.results.states import DRIVEN_STATES, StudyState
from gatefront.search.service.control.study_control import StudyControl
from gatefront.search.snapshots.protocol import Reader
from gatefront.search.snapshots.study_status import StudyStatus

_HOURS = {"min": 0.01, "step": 0.5, "decimalScale": 2}
_DIALOGS = (
    Dialog(
        key="stop", button="Stop", title="Stop this study?", confirm="Stop the study", is_grave=True,
        words="Trials under way end after the epoch they are in. What has finished is kept; the study can be resumed.",
    ),
    Dialog(
        key="resume", button="Resume", title="Resume this study?", confirm="Resume",
        words="A driver goes on from what the database holds; nothing is trained twice.",
        fields=(
            (
                ids.STUDY_RESUME_WORKERS,
                dmc.NumberInput(
                    id=ids.STUDY_RESUME_WORKERS, label="Workers", min=1, allowDecimal=False,
                    description="How many trials run at once; empty: as many as before.",
                ),
            ),
            (
                ids.STUDY_RESUME_HOURS,
                dmc.NumberInput(
                    id=ids.STUDY_RESUME_HOURS, label="Hours at most", **_HOURS,
                    description="The study stops cleanly after so long; empty: no cap.",
                ),
            ),
        ),
    ),
    Dialog(
        key="extend", button="Add trials", title="Add trials to this study?", confirm="Add trials",
        words="A study that runs takes them up when what was asked before is done; another one waits to be resumed.",
        fields=(
            (
                ids.STUDY_EXTEND_BY,
                dmc.NumberInput(
                    id=ids.STUDY_EXTEND_BY, label="More trials", min=1, value=6, allowDecimal=False
                ),
            ),
        ),
    ),
    Dialog(
        key="hours", button="Hour cap", title="Change the cap on hours?", confirm="Set the cap",
        words="It counts from the start of this session of the driver; when it is reached, the study stops cleanly.",
        fields=(
            (
                ids.STUDY_HOURS,
                dmc.NumberInput(
                    id=ids.STUDY_HOURS, label="Hours at most", description="Empty: no cap.", **_HOURS
                ),
            ),
        ),
    ),
)  # fmt: skip
_NAMES = {dialog.key: dialog.button for dialog in _DIALOGS}
STOP_ASKED = "The driver was asked to stop."
STARTING = "A driver is starting; the study shows when it is at work."
_EVENT_WORDS = {
    "started": "started",
    "resumed": "resumed",
    "stop_asked": "asked to stop",
    "hours_set": "cap on hours",
    "extended": "extended",
    "voided": "declared void",
    "unvoided": "no longer void",
    "started_from": "started from an earlier study",
}


def register_callbacks(app: Dash, reader: Reader, control: StudyControl | None) -> None:
    """Register the audit line for every reader, and buttons only where something can be changed."""

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.STUDY_EVENTS, "children"),
        Input(ids.STUDY_SEEN, "data"),
        State(ids.STUDY_NAME, "data"),
    )
    async def show_events(_: Any, study: str) -> Any:
        status = await asyncio.to_thread(_status, reader, study)
        return no_update if status is None else events_card(status.events)

    if control is not None:
        _register_buttons(app, reader)
        for dialog, act in zip(_DIALOGS, study_acts(control), strict=True):
            register_dialog(app, dialog, act, subject=ids.STUDY_NAME, note=ids.STUDY_ACTION_NOTE)


def _register_buttons(app: Dash, reader: Reader) -> None:
    @app.callback(Output(ids.STUDY_ACTIONS, "children"), Input(ids.STUDY_NAME, "data"))  # type: ignore[untyped-decorator, unused-ignore]
    def show_buttons(_: str) -> Component:
        return action_bar()

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        *(Output(ids.dialog_part(key, "open"), "disabled") for key in _NAMES),
        Output(ids.STUDY_ACTION_REASONS, "children"),
        Output(ids.STUDY_ACTION_NOTE, "children"),
        Input(ids.STUDY_SEEN, "data"),
        Input(ids.STUDY_ACTION_NOTE, "children"),
        State(ids.STUDY_NAME, "data"),
    )
    async def allow(_seen: Any, note: str | None, study: str) -> tuple[Any, ...]:
        return await asyncio.to_thread(allowed, reader, study, note)


def action_bar() -> Component:
    """Return the buttons, the reasons why some are disabled, and the dialogs behind them.

    All buttons are disabled until the study's state is known.
    """
    return html.Div(
        [
            dmc.Group([dialog_button(dialog) for dialog in _DIALOGS], gap="xs"),
            html.Div(id=ids.STUDY_ACTION_REASONS, className="action-reasons"),
            html.Div(id=ids.STUDY_ACTION_NOTE, className="action-note", role="status"),
            *(dialog_box(dialog) for dialog in _DIALOGS),
        ],
        className="actions",
    )


def allowed(reader: Reader, study: str, note: str | None = None) -> tuple[Any, ...]:
    """Return which buttons are disabled, in order, the sentence with the reasons, and the new ``note`` below.

    The note is emptied once it no longer holds.
    """
    status = _status(reader, study)
    if status is None:
        return *(True,) * len(_NAMES), "", no_update
    refused = study_refusals(status)
    kept = "" if is_over(note, status.state) else no_update
    return *(key in refused for key in _NAMES), refusal_sentence(refused, _NAMES), kept


def is_over(note: str | None, state: StudyState) -> bool:
    """Return True if the requested change has happened meanwhile, so that the note no longer describes the study."""
    return (note == STOP_ASKED and state not in DRIVEN_STATES) or (note == STARTING and state in DRIVEN_STATES)


def study_acts(control: StudyControl) -> tuple[Callable[..., str], ...]:
    """Return the action of each dialog once it is confirmed, in their order. An action returns its sentence."""

    def stop(study: str) -> str:
        control.stop(study, actor=ACTOR)
        return STOP_ASKED

    def resume(study: str, workers: float | str | None, hours: float | str | None) -> str:
        number = _number(workers)
        control.resume(study, workers=None if number is None else int(number), hours=_number(hours), actor=ACTOR)
        return STARTING

    def extend(study: str, more: float | str | None) -> str:
        is_driven = control.extend(study, int(_number(more) or 0), actor=ACTOR)
        return "The driver takes them up." if is_driven else "They wait until the study is resumed."

    def set_hours(study: str, hours: float | str | None) -> str:
        cap = _number(hours)
        control.set_hours(study, cap, actor=ACTOR)
        return "The cap was taken away." if cap is None else f"The session is capped at {cap:g} h."

    return stop, resume, extend, set_hours


def events_card(events: tuple[StudyEvent, ...]) -> Component | None:
    """Return the changes that people made, the latest first, or None without changes."""
    if not events:
        return None
    rows = [
        html.Tr(
            [
                html.Td(format_time(event.at), className="dimmed"),
                html.Td(event.actor or "command line"),
                html.Td(_EVENT_WORDS.get(event.kind, event.kind)),
                html.Td(event.detail, className="wraps"),
            ]
        )
        for event in reversed(events)
    ]
    head = html.Thead(html.Tr([html.Th(name) for name in ("When", "Who", "What", "Detail")]))
    table = html.Div(html.Table([head, html.Tbody(rows)], className="plain"), className="scroll", tabIndex=0)
    return card("What was changed", table)


def _status(reader: Reader, study: str) -> StudyStatus | None:
    """Return the study's status, or None while the database is out of reach, which the page's banner reports."""
    try:
        return reader.status(study)
    except UNREACHABLE:
        return None


def _number(value: float | str | None) -> float | None:
    # An emptied field sends an empty text.
    return None if value is None or value == "" else float(value)
