"""Start page: a file or fields, the doctor's checks as they finish, and the start once they are known."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.jobs.background import JobState
from gatefront.dashboards.jobs.study_file_checks import StudyFileChecks, failed_checks
from gatefront.dashboards.pages.start.form import FIELD_IDS, form, task_fields, uploaded_text
from gatefront.dashboards.pages.start.study_file_editor import (
    FIRST_TEXT,
    read_fields,
    set_field,
    set_weight,
    task_names,
    task_weights,
)
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import alert, card, filled, problem
from gatefront.dashboards.widgets.dialogs import ACTOR
from gatefront.dashboards.widgets.ids import task_of_key
from gatefront.dashboards.widgets.links import STUDIES, study_path
from gatefront.dashboards.widgets.polling import UNREACHABLE
from gatefront.search.config.study_file import parse_study
from gatefront.search.doctor.check import Check
from gatefront.search.service.control.study_control import StartOptions, StudyControl
from gatefront.search.snapshots.protocol import Reader
from gatefront.spaces.errors import GatefrontError

TITLE = "Start a study · gatefront"
_POLL_MS = 500
_HIDDEN = {"display": "none"}
# Outputs of the form; see `form_update`.
_FORM = (
    Output(ids.START_TEXT, "value"),
    Output(ids.START_TEXT_ERROR, "children"),
    Output(ids.START_UPLOAD_ERROR, "children"),
    Output(ids.START_TASKS, "children"),
    *(Output(component, "value") for component in FIELD_IDS.values()),
)


def layout(reader: Reader) -> Component:
    """Return the page with the form filled.

    A field that is filled later would report its value after a while, and overwrite what was typed since.
    """
    return filled(_blank(reader), _FORM, form_update(None, None, FIRST_TEXT, None))


def _blank(reader: Reader) -> Component:
    try:
        studies = [summary.name for summary in reader.list_studies()]
    except UNREACHABLE:
        # The form is useful all the same, and the check of the database will report it.
        studies = []
    buttons = dmc.Group(
        [
            dmc.Button("Check it", id=ids.START_CHECK, variant="default"),
            dmc.Button("Start the study", id=ids.START_BUTTON, disabled=True),
            dmc.Button("Start anyway", id=ids.START_ANYWAY, color="red", variant="outline", style=_HIDDEN),
        ],
        gap="sm",
    )
    checks = card(
        "Checks",
        html.Div(id=ids.START_CHECKS, role="status"),
        buttons,
        html.Div(id=ids.START_STATE, role="status"),
        note="The doctor looks at data, labels, networks, disk and database, and trains for a moment. "
        "The study can be started once everything has passed. Where a check fails, it can be started anyway.",
    )
    return html.Div(
        [
            dmc.Breadcrumbs([dcc.Link("Studies", href=STUDIES), html.Span("Start a study")], className="crumbs"),
            dmc.Title("Start a study", order=1, className="page-title"),
            form(studies),
            html.Div(checks, className="block"),
            dcc.Store(id=ids.START_CHECK_JOB),
            dcc.Store(id=ids.START_JOB),
            dcc.Interval(id=ids.START_TICK, interval=_POLL_MS, disabled=True),
        ]
    )


def register_callbacks(app: Dash, control: StudyControl) -> None:
    examinations = StudyFileChecks(control)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        *_FORM,
        Input(ids.START_TEXT, "value"),
        Input(ids.START_UPLOAD, "contents"),
        Input(ids.task_weight(ALL), "value"),
        *(Input(component, "value") for component in FIELD_IDS.values()),
        prevent_initial_call=True,
    )
    async def write(text: str, upload: str | None, _weights: list[Any], *_fields: Any) -> tuple[Any, ...]:
        changed = ctx.triggered_id
        value = ctx.triggered[0]["value"] if ctx.triggered else None
        return await asyncio.to_thread(form_update, changed, value, text or "", upload)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.START_CHECK_JOB, "data"),
        Output(ids.START_JOB, "data"),
        Output(ids.START_CHECKS, "children"),
        Output(ids.START_STATE, "children"),
        Output(ids.START_BUTTON, "disabled"),
        Output(ids.START_TICK, "disabled"),
        Output(ids.ADDRESS, "href", allow_duplicate=True),
        Output(ids.START_ANYWAY, "style"),
        Input(ids.START_CHECK, "n_clicks"),
        Input(ids.START_BUTTON, "n_clicks"),
        Input(ids.START_ANYWAY, "n_clicks"),
        Input(ids.START_TICK, "n_intervals"),
        Input(ids.START_TEXT, "value"),
        Input(ids.START_HOURS, "value"),
        Input(ids.START_EARLIER, "value"),
        State(ids.START_CHECK_JOB, "data"),
        State(ids.START_JOB, "data"),
        prevent_initial_call=True,
    )
    def follow(
        _check: Any,
        _start: Any,
        _anyway: Any,
        _tick: Any,
        text: str,
        hours: Any,
        earlier: str | None,
        *jobs: str | None,
    ) -> tuple[Any, ...]:
        options = StartOptions(hours=None if hours in (None, "") else float(hours), earlier=earlier or None)
        return start_update(examinations, ctx.triggered_id, text or "", options, *jobs)


def form_update(changed: Any, value: Any, text: str, upload: str | None) -> tuple[Any, ...]:
    """Return the text and its fault, the tasks and the fields, after one of them ``changed`` to ``value``.

    An unchanged text is not sent back, because on a slow line it would undo what was typed meanwhile.
    """
    given = text
    keep = (no_update,) * len(FIELD_IDS)
    try:
        if changed == ids.START_UPLOAD and upload:
            text = uploaded_text(upload)
    except GatefrontError as error:
        return no_update, no_update, problem(error), no_update, *keep
    field = next((name for name, component in FIELD_IDS.items() if component == changed), None)
    try:
        if field is not None:
            text = set_field(text, field, value)
        elif isinstance(changed, dict):
            return (
                _if_new(set_weight(text, task_of_key(changed["task"]), value), given),
                None,
                no_update,
                no_update,
                *keep,
            )
        values = keep if field is not None else tuple(_shown(found) for found in read_fields(text).values())
        tasks, wrong = _tasks(text)
    except GatefrontError as error:
        return _if_new(text, given), problem(error), None, no_update, *keep
    return _if_new(text, given), wrong, None, tasks, *values


def _if_new(text: str, given: str) -> Any:
    return no_update if text == given else text


def _tasks(text: str) -> tuple[Any, Component | None]:
    """Return the fields of the tasks, and the file's fault if they cannot be known."""
    try:
        parse_study(text)
        return task_fields(task_names(text), task_weights(text)), None
    except GatefrontError as error:
        return task_fields((), {}), problem(error)


def _shown(value: Any) -> Any:
    return "" if value is None else value


def start_update(
    examinations: StudyFileChecks,
    changed: Any,
    text: str,
    options: StartOptions,
    check_job: str | None,
    start_job: str | None,
) -> tuple[Any, ...]:
    """Return what the page shows of an examination and of a start.

    A change of the file or of an option makes an earlier examination invalid.

    Returns:
        Both jobs, the checks, the state of the start, if the start is disabled, if the clock is disabled, the
            address to
        open, and the style of the button that starts although checks have failed.
    """
    said: Any = None
    if changed == ids.START_CHECK:
        check_job, start_job = examinations.examine(text, options), None
    elif changed in (ids.START_BUTTON, ids.START_ANYWAY) and check_job is not None:
        is_forced = changed == ids.START_ANYWAY
        try:
            start_job = examinations.start(check_job, text, options, actor=ACTOR, is_forced=is_forced)
        except GatefrontError as error:
            said = problem(error)
    examined = None if check_job is None else examinations.look(check_job)
    started = None if start_job is None else examinations.look(start_job)
    passed = check_job is not None and examinations.has_passed(check_job, text, options)
    is_of_this = check_job is not None and examinations.is_of(check_job, text, options)
    is_starting = started is not None and not (started.is_done and started.error)
    waits = (examined is not None and not examined.is_done) or (started is not None and not started.is_done)
    where = study_path(started.result) if started is not None and started.is_done and started.result else no_update
    return (
        check_job,
        start_job,
        checks_list(examined, is_of_this=is_of_this),
        said or _start_state(started),
        not passed or is_starting,
        not waits,
        where,
        {} if is_of_this and not passed and not is_starting else _HIDDEN,
    )


def checks_list(examined: JobState | None, *, is_of_this: bool) -> Component | None:
    """Return the checks so far, each with its sign and word.

    ``is_of_this`` False means that the file has changed since.
    """
    if examined is None:
        return None
    last = html.Li("… looking on", className="check dimmed") if not examined.is_done else None
    rows = [*(_check_row(check) for check in examined.reports), last]
    words = _outcome(examined, is_of_this=is_of_this) if examined.is_done and not examined.error else None
    return html.Div(
        [
            html.Ul([row for row in rows if row is not None], className="checks"),
            alert(examined.error, "red") if examined.error else None,
            dmc.Text(words, size="sm", fw=600, mb="sm") if words else None,
        ]
    )


def _outcome(examined: JobState, *, is_of_this: bool) -> str:
    if not is_of_this:
        return "The study file has changed since: check it again."
    failed = failed_checks(examined)
    if not failed:
        return "Everything has passed."
    return (
        f"{len(failed)} of {len(examined.reports)} checks failed: {'; '.join(failed)}. Correct the data or the study "
        "file and check it again, or start anyway: the study then trains on the data as they are."
    )


def _check_row(check: Check) -> Component:
    sign, word = ("✓", "passed") if check.passed else ("✕", "failed")
    return html.Li(
        [
            html.Span(sign, className="sign", title=word),
            html.Div(
                [html.Strong(check.name), f" {word}: {check.detail}", *(html.Div(line) for line in check.more)],
                className="check-words",
            ),
        ],
        className=f"check {word}",
    )


def _start_state(started: JobState | None) -> Component | None:
    if started is None:
        return None
    if started.error:
        return alert(f"The study could not be started. {started.error}", "red")
    return alert("A driver is starting; the study's page opens as soon as there is something to see.", "blue")
