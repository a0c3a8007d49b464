"""Changes to a study and a trial: when they are refused, what they ask of the control, and what goes wrong."""

from dataclasses import replace
from typing import Any

import pytest
from dash import no_update
from sqlalchemy.exc import OperationalError

from gatefront.dashboards.pages.study import actions as study_actions
from gatefront.dashboards.pages.study.actions import STARTING, STOP_ASKED, events_card, study_acts
from gatefront.dashboards.pages.trial import actions as trial_extras
from gatefront.dashboards.presentation.disabled_actions import refusal_sentence, study_refusals, trial_refusals
from gatefront.dashboards.widgets.dialogs import confirmed
from gatefront.search.results.records import StudyEvent
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.control.study_control import NotRunningError
from gatefront.search.snapshots.study_status import StudyStatus

UNREACHABLE = OperationalError("SELECT 1", {}, Exception("connection refused"))


def status(state: StudyState, num_done: int = 3) -> StudyStatus:
    return StudyStatus(state=state, num_trials=12, num_done=num_done, events=())


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        (StudyState.PREPARING, {"resume"}),
        (StudyState.RUNNING, {"resume"}),
        (StudyState.STOPPING, {"stop", "hours", "resume"}),
        (StudyState.STOPPED, {"stop", "hours"}),
        (StudyState.FAILED, {"stop", "hours"}),
        (StudyState.LOST, {"hours"}),
        (StudyState.COMPLETE, {"stop", "hours"}),
    ],
)
def test_what_a_study_refuses(state: StudyState, refused: set[str]) -> None:
    found = study_refusals(status(state))
    assert set(found) == refused
    assert all(found.values())


def test_a_study_whose_trials_are_all_done_needs_more_of_them_first() -> None:
    assert "add some first" in study_refusals(status(StudyState.COMPLETE, 12))["resume"]
    # A void trial is not done, so there is one to train.
    assert "resume" not in study_refusals(status(StudyState.COMPLETE, 11))


@pytest.mark.parametrize("state", list(TrialState))
def test_a_trial_can_be_voided_once_it_has_finished_and_back(state: TrialState) -> None:
    refused = trial_refusals(state)
    finished = (TrialState.COMPLETE, TrialState.FAILED, TrialState.STOPPED_EARLY)
    assert ("void" not in refused) is (state in finished)
    assert ("unvoid" not in refused) is (state is TrialState.VOID)


def test_changes_with_one_reason_share_a_sentence() -> None:
    names = {"stop": "Stop", "resume": "Resume", "hours": "Hour cap"}
    said = refusal_sentence({"stop": "no driver is running", "hours": "no driver is running"}, names)
    assert said == "Stop and Hour cap: no driver is running."
    assert refusal_sentence({}, names) == ""


def test_confirmed_changes_reach_the_control(control: Any) -> None:
    stop, resume, extend, set_hours = study_acts(control)
    assert "asked to stop" in confirmed(stop, "digits", ())[2]
    confirmed(resume, "digits", ("", 2.5))
    confirmed(resume, "digits", (3, None))
    assert "takes them up" in confirmed(extend, "digits", (6,))[2]
    confirmed(set_hours, "digits", ("",))
    confirmed(set_hours, "digits", (1.5,))
    assert control.calls == [
        ("stop", "digits", "dashboard"),
        ("resume", "digits", None, 2.5, "dashboard"),
        ("resume", "digits", 3, None, "dashboard"),
        ("extend", "digits", 6, "dashboard"),
        ("set_hours", "digits", None, "dashboard"),
        ("set_hours", "digits", 1.5, "dashboard"),
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotRunningError("no driver of 'digits' is alive.", hint="Resume it first."), "Resume it first."),
        (UNREACHABLE, "The database cannot be reached"),
    ],
)
def test_an_error_is_said_in_the_dialog_which_stays_open(control: Any, error: Exception, words: str) -> None:
    control.error = error
    is_open, shown, note = confirmed(study_acts(control)[0], "digits", ())
    assert is_open is True
    assert words in str(shown.to_plotly_json())
    assert note is no_update


def test_a_fault_of_ours_is_not_hidden(control: Any) -> None:
    control.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        confirmed(study_acts(control)[0], "digits", ())


def test_buttons_follow_the_study(reader: Any) -> None:
    reader.num_finished = 3
    *disabled, why, _ = study_actions.allowed(reader, "digits")
    assert disabled == [False, True, False, False]
    assert why == "Resume: its driver is at work."
    reader.num_finished = 12
    *disabled, why, _ = study_actions.allowed(reader, "digits")
    assert disabled == [True, True, False, True]
    assert why == "Stop and Hour cap: no driver is running. Resume: all its trials are done; add some first."
    reader.error = UNREACHABLE
    assert study_actions.allowed(reader, "digits") == (True, True, True, True, "", no_update)


def test_a_note_goes_once_what_was_asked_has_happened(reader: Any) -> None:
    reader.num_finished = 3
    assert study_actions.allowed(reader, "digits", STOP_ASKED)[-1] is no_update
    assert study_actions.allowed(reader, "digits", STARTING)[-1] == ""
    for state in (StudyState.STOPPED, StudyState.FAILED, StudyState.LOST, StudyState.COMPLETE):
        assert study_actions.is_over(STOP_ASKED, state)
        assert not study_actions.is_over(STARTING, state)
    for state in (StudyState.PREPARING, StudyState.RUNNING, StudyState.STOPPING):
        assert not study_actions.is_over(STOP_ASKED, state)
        assert not study_actions.is_over("The driver takes them up.", state)


def test_buttons_follow_the_trial(reader: Any) -> None:
    reader.num_finished = 7
    assert trial_extras.allowed(reader, "digits", 6) == (False, True, "")
    is_void, is_not_void, why = trial_extras.allowed(reader, "digits", 8)
    assert (is_void, is_not_void) == (True, True)
    assert "it has not finished" in why
    reader.override = lambda view: replace(
        view, points=tuple(replace(point, state=TrialState.VOID) for point in view.points)
    )
    assert trial_extras.allowed(reader, "digits", 6) == (True, False, "")


def test_events_say_who_did_what_the_latest_first(view: Any) -> None:
    at = view.summary.created_at
    events = (
        StudyEvent(at=at, kind="started", detail="12 trials", actor="ada"),
        StudyEvent(at=at, kind="extended", detail="6 more trials"),
    )
    words = str(events_card(events).to_plotly_json())  # type: ignore[union-attr]  # there are events
    assert words.index("6 more trials") < words.index("12 trials")
    assert "ada" in words
    assert events_card(()) is None
