"""Every empty or failed state says why, in a sentence with the way on."""

from collections.abc import Callable
from dataclasses import replace
from html import escape

import pytest

from gatefront.dashboards.presentation.empty_states import (
    curves_sentence,
    front_sentence,
    hypervolume_sentence,
    map_sentence,
    page_sentence,
    pull_sentence,
    study_sentence,
    trial_sentence,
    unlearned_sentence,
)
from gatefront.dashboards.report import report_html
from gatefront.search.results.records import StudyView, TrialDetail, TrialPoint
from gatefront.search.results.states import StudyState, TrialState

NAN = "the loss of task right is NaN in epoch 3."


def with_states(view: StudyView, *states: TrialState, cause: str = "") -> StudyView:
    """The study with one trial per state, none on the front."""
    points = tuple(
        replace(view.points[n], state=state, cause=cause, on_front=False, delta_mtl=None, flops=None, is_feasible=False)
        for n, state in enumerate(states)
    )
    return replace(view, derived=(), points=points, hypervolume=())


def in_state(view: StudyView, state: StudyState, message: str = "") -> StudyView:
    return replace(view, summary=replace(view.summary, state=state, message=message))


def test_a_front_with_points_needs_no_sentence(view: StudyView) -> None:
    assert front_sentence(view) is None
    assert hypervolume_sentence(view) is None


def test_page_sentence_unlearned_task_is_named_with_both_scores(view: StudyView) -> None:
    assert page_sentence(view) is None
    alone, shared = view.references
    constants = dict(alone.metrics) | {"left": 0.0}
    poor = replace(view, references=(replace(alone, constant_metrics=constants, unranked=("right",)), shared))
    sentence = page_sentence(poor) or ""
    assert "left out of Δ_MTL: right (accuracy %" in sentence
    assert "left (" not in sentence
    assert escape(unlearned_sentence(poor) or "-") in report_html(poor, [], "")


def test_a_front_that_gains_nothing_says_so(view: StudyView) -> None:
    flat = replace(view, hypervolume=tuple(replace(point, hypervolume=0.0) for point in view.hypervolume))
    assert "better than hard sharing" in (hypervolume_sentence(flat) or "")


def test_references_that_still_train_are_named(view: StudyView) -> None:
    preparing = replace(in_state(with_states(view), StudyState.PREPARING), references=())
    sentence = front_sentence(preparing) or ""
    assert "single-task networks (left, right and orientation) and hard sharing" in sentence
    half = replace(preparing, references=view.references[:1])
    assert "single-task" not in (front_sentence(half) or "").split("Still to come")[1]


def test_the_drivers_own_word_on_references_goes_first(view: StudyView) -> None:
    preparing = in_state(with_states(view), StudyState.PREPARING, "Training single-task right (2 of 4).")
    assert "Training single-task right (2 of 4)." in (front_sentence(preparing) or "")


def test_no_finished_trial_yet(view: StudyView) -> None:
    view = in_state(view, StudyState.RUNNING)
    running = with_states(view, TrialState.RUNNING, TrialState.RUNNING, TrialState.QUEUED)
    sentence = front_sentence(running) or ""
    assert sentence.startswith("No trial has finished yet: 2 running and 1 waiting for a worker.")
    assert "No trial has finished yet" in (front_sentence(with_states(view)) or "")
    assert hypervolume_sentence(running)


@pytest.mark.parametrize("state", [StudyState.LOST, StudyState.STOPPED, StudyState.FAILED])
def test_a_study_that_ended_without_a_finished_trial(view: StudyView, state: StudyState) -> None:
    assert "No trial had finished" in (front_sentence(in_state(with_states(view, TrialState.LOST), state)) or "")


def test_all_failed_shows_the_cause(view: StudyView) -> None:
    sentence = front_sentence(with_states(view, TrialState.FAILED, TrialState.FAILED, cause=NAN)) or ""
    assert sentence.startswith(f"All 2 trials so far failed. Cause, 2 times: {NAN}")
    assert "`gatefront resume digits` then train more trials" in sentence
    only = front_sentence(in_state(with_states(view, TrialState.FAILED, cause=NAN), StudyState.RUNNING))
    assert only == f"The only trial so far failed. Cause: {NAN}"
    silent = front_sentence(with_states(view, TrialState.FAILED)) or ""
    assert "No cause was recorded." in silent


def test_nothing_within_the_budget(view: StudyView) -> None:
    over = replace(view.points[0], is_feasible=False, on_front=False)
    sentence = front_sentence(replace(view, derived=(), points=(over,))) or ""
    assert "1 trial has finished, none of them within the FLOP budget of 45%" in sentence


def test_nothing_on_the_front_otherwise(view: StudyView) -> None:
    sentence = front_sentence(with_states(view, TrialState.STOPPED_EARLY, TrialState.VOID, TrialState.FAILED)) or ""
    assert "1 stopped early, 1 failed and 1 void" in sentence


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (StudyState.FAILED, "The study failed: disk full"),
        (StudyState.LOST, "`gatefront resume digits` goes on"),
        (StudyState.STOPPED, "was stopped. disk full `gatefront resume digits`"),
        (StudyState.STOPPING, "is stopping"),
    ],
)
def test_state_of_the_study(view: StudyView, state: StudyState, words: str) -> None:
    assert words in (study_sentence(in_state(view, state, "disk full").summary) or "")


@pytest.mark.parametrize("state", [StudyState.RUNNING, StudyState.COMPLETE, StudyState.PREPARING])
def test_a_healthy_study_needs_no_sentence(view: StudyView, state: StudyState) -> None:
    assert study_sentence(in_state(view, state).summary) is None


TrialInState = Callable[[TrialState], TrialDetail]


@pytest.fixture
def trial_in(view: StudyView, trial_of: Callable[[TrialPoint], TrialDetail]) -> TrialInState:
    def build(state: TrialState) -> TrialDetail:
        return trial_of(replace(view.points[3], state=state, cause=NAN))

    return build


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (TrialState.QUEUED, "waits for a free worker"),
        (TrialState.RUNNING, "is running: 2 of 8 epochs"),
        (TrialState.STOPPED_EARLY, "stopped early after 2 of 8 epochs"),
        (TrialState.FAILED, f"failed after 2 of 8 epochs. Cause: {NAN}"),
        (TrialState.LOST, "no longer answers"),
        (TrialState.VOID, "declared void"),
    ],
)
def test_state_of_a_trial(trial_in: TrialInState, state: TrialState, words: str) -> None:
    detail = trial_in(state)
    assert words in (trial_sentence(detail) or "")
    assert map_sentence(replace(detail, gate_map=None))
    assert curves_sentence(replace(detail, epochs=()))
    assert pull_sentence(detail)


def test_a_complete_trial_needs_no_sentence(view: StudyView, trial_of: Callable[[TrialPoint], TrialDetail]) -> None:
    detail = trial_of(view.points[0])
    for sentence in (trial_sentence, map_sentence, curves_sentence, pull_sentence):
        assert sentence(detail) is None


def test_attempts_are_counted(trial_in: TrialInState) -> None:
    assert "It was tried 3 times." in (trial_sentence(replace(trial_in(TrialState.FAILED), attempts=3)) or "")


def test_a_family_without_gates_says_why_there_is_no_map(
    view: StudyView, trial_of: Callable[[TrialPoint], TrialDetail]
) -> None:
    complete = trial_of(next(point for point in view.points if point.state is TrialState.COMPLETE))
    assert map_sentence(complete) is None
    assert "has no gates" in (map_sentence(replace(complete, gate_map=None)) or "")
