"""The start page: fields and text, and that nothing is started that the doctor has not passed as it stands."""

import base64
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from dash import no_update

from gatefront.dashboards.jobs.study_file_checks import StudyFileChecks
from gatefront.dashboards.pages.start.form import FIELD_IDS, MAX_BYTES, uploaded_text
from gatefront.dashboards.pages.start.page import form_update, start_update
from gatefront.dashboards.pages.start.study_file_editor import FIRST_TEXT
from gatefront.dashboards.widgets import ids
from gatefront.search.errors import StudyExistsError, StudyFileError
from gatefront.search.service.control.study_control import StartOptions, StudyControl

OPTIONS = StartOptions(hours=2.0)
FIELDS = list(FIELD_IDS)


def address_of(raw: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(raw).decode()}"


def words(thing: Any) -> str:
    return str(thing.to_plotly_json()) if hasattr(thing, "to_plotly_json") else str(thing)


class Form:
    """The page's state between two requests of the browser."""

    def __init__(self, control: StudyControl) -> None:
        self.examinations = StudyFileChecks(control)
        self.text = FIRST_TEXT
        self.jobs: tuple[Any, Any] = (None, None)
        self.checks = self.state = self.where = None
        self.is_disabled, self.stands, self.has_anyway = True, True, False

    def press(self, changed: str) -> None:
        out = start_update(self.examinations, changed, self.text, OPTIONS, *self.jobs)
        self.jobs, self.checks, self.state = (out[0], out[1]), out[2], out[3]
        self.is_disabled, self.stands, self.where = out[4], out[5], out[6]
        self.has_anyway = out[7] == {}

    def follow(self) -> None:
        """Tick until there is nothing to wait for."""
        deadline = time.monotonic() + 60
        while not self.stands:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            self.press(ids.START_TICK)


def test_checks_appear_one_by_one_and_then_the_study_can_be_started(control: Any) -> None:
    control.held.clear()
    form = Form(control)
    form.press(ids.START_CHECK)
    deadline = time.monotonic() + 60
    while "disk" not in words(form.checks):
        assert time.monotonic() < deadline
        form.press(ids.START_TICK)
    assert "looking on" in words(form.checks)
    assert "first steps" not in words(form.checks)
    assert form.is_disabled
    control.held.set()
    form.follow()
    assert "Everything has passed." in words(form.checks)
    assert not form.is_disabled
    form.press(ids.START_BUTTON)
    assert form.is_disabled
    form.follow()
    assert form.where == "/study/digits"
    assert control.calls == [("examine", FIRST_TEXT, OPTIONS), ("start", FIRST_TEXT, OPTIONS, "dashboard")]


def test_a_change_makes_the_checks_worthless(control: Any) -> None:
    form = Form(control)
    form.press(ids.START_CHECK)
    form.follow()
    assert not form.is_disabled
    form.text += "\n"
    form.press(ids.START_TEXT)
    assert form.is_disabled
    assert "has changed since" in words(form.checks)
    # A browser that asks all the same is refused by the server.
    form.press(ids.START_BUTTON)
    assert "was not checked as it stands" in words(form.state)
    assert all(call[0] == "examine" for call in control.calls)


def test_start_update_failed_check_is_named_and_starts_only_when_forced(control: Any) -> None:
    control.last_passes = False
    form = Form(control)
    form.press(ids.START_CHECK)
    form.follow()
    assert form.is_disabled
    assert form.has_anyway
    assert "1 of 3 checks failed: first steps." in words(form.checks)
    form.press(ids.START_BUTTON)
    assert "not every check of the study file has passed" in words(form.state)
    assert all(call[0] == "examine" for call in control.calls)
    form.press(ids.START_ANYWAY)
    assert not form.has_anyway
    form.follow()
    assert form.where == "/study/digits"
    assert control.calls[1:] == [("start", FIRST_TEXT, replace(OPTIONS, force=True), "dashboard")]


@pytest.mark.parametrize("passes", [True, False])
def test_start_update_forces_only_a_file_that_was_checked_as_it_stands(control: Any, passes: bool) -> None:
    control.last_passes = passes
    form = Form(control)
    form.press(ids.START_CHECK)
    form.follow()
    assert form.has_anyway is not passes
    form.text += "\n"
    form.press(ids.START_TEXT)
    assert not form.has_anyway
    assert "has changed since" in words(form.checks)
    form.press(ids.START_ANYWAY)
    assert "was not checked as it stands" in words(form.state)
    assert all(call[0] == "examine" for call in control.calls)


def test_an_error_of_the_doctor_or_the_start_is_said(control: Any) -> None:
    form = Form(control)
    control.error = StudyFileError("[study] lacks name.", hint="Add name.")
    form.press(ids.START_CHECK)
    form.follow()
    assert "[study] lacks name. Add name." in words(form.checks)
    control.error = None
    form.press(ids.START_CHECK)
    form.follow()
    control.error = StudyExistsError("the database already holds a study 'my-study'.", hint="Give it another name.")
    form.press(ids.START_BUTTON)
    form.follow()
    assert "Give it another name." in words(form.state)
    assert form.where is no_update
    assert not form.is_disabled


def test_the_page_answers_while_a_start_takes_long(control: Any) -> None:
    go_on = threading.Event()

    def slow(*_: Any, **__: Any) -> str:
        go_on.wait(60)
        return "digits"

    control.start = slow
    form = Form(control)
    form.press(ids.START_CHECK)
    form.follow()
    form.press(ids.START_BUTTON)
    form.press(ids.START_TICK)
    assert "A driver is starting" in words(form.state)
    assert form.is_disabled
    assert form.where is no_update
    go_on.set()
    form.follow()
    assert form.where == "/study/digits"


def test_a_field_writes_into_the_text_and_the_text_into_the_fields() -> None:
    text, wrong, _, tasks, *values = form_update(ids.START_BUDGET, "60%", FIRST_TEXT, None)
    assert 'flop_budget = "60%"       # of the single-task cost' in text
    assert wrong is None
    assert "orientation" in words(tasks)
    assert values == [no_update] * len(FIELDS)
    _, _, _, tasks, *values = form_update(ids.START_TEXT, None, text.replace('"digits"', '"rooms"'), None)
    assert dict(zip(FIELDS, values, strict=True)) == {
        "name": "my-study", "flop_budget": "60%", "trials": 12, "workers": "", "data": "rooms", "root": "",
        "backbone": "smallconv",
    }  # fmt: skip
    assert "normals" in words(tasks)


def test_what_is_wrong_with_the_text_is_said_while_it_is_written() -> None:
    assert "not valid TOML" in words(form_update(ids.START_TEXT, None, "[study", None)[1])
    unknown = FIRST_TEXT.replace("trials", "trails")
    assert "Did you mean" in words(form_update(ids.START_TEXT, None, unknown, None)[1])
    nowhere = form_update(ids.START_DATA, "celebs", FIRST_TEXT, None)
    assert "celebs" in nowhere[0]
    assert "unknown" in words(nowhere[1])


def test_weights_of_tasks_go_into_the_text() -> None:
    out = form_update(ids.task_weight("left"), 0.5, FIRST_TEXT, None)
    assert "[tasks.left]\nweight = 0.5" in out[0]


def test_a_text_that_stays_as_it_was_is_not_sent_back() -> None:
    with_weight = form_update(ids.task_weight("left"), 0.5, FIRST_TEXT, None)[0]
    assert form_update(ids.task_weight("left"), 0.5, with_weight, None)[0] is no_update
    assert form_update(ids.START_TEXT, None, FIRST_TEXT, None)[0] is no_update
    assert form_update(ids.START_TEXT, None, "[study", None)[0] is no_update


def test_an_uploaded_file_becomes_the_text() -> None:
    text = form_update(ids.START_UPLOAD, "x", FIRST_TEXT, address_of(b'[study]\r\nname = "mine"\r\n'))[0]
    assert text == '[study]\nname = "mine"\n'


def test_uploaded_text_with_a_byte_order_mark_is_the_same_without_it() -> None:
    assert uploaded_text(address_of("\ufeff[study]\r\n".encode())) == "[study]\n"


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"x" * (MAX_BYTES + 1)])
def test_what_is_no_text_is_not_taken(raw: bytes) -> None:
    with pytest.raises(StudyFileError):
        uploaded_text(address_of(raw))
    out = form_update(ids.START_UPLOAD, "x", FIRST_TEXT, address_of(raw))
    assert out[0] is no_update
    assert out[2] is not None
