"""What another hour may bring: silent where little is known, and never more than the assumption says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.results.forecast import outlook_sentence, study_outlook
from gatefront.search.results.records import HypervolumePoint, StudySummary, StudyView, TrialPoint
from gatefront.search.results.states import StudyState, TrialState

START = datetime(2026, 1, 1, tzinfo=UTC)


def _point(number: int, seconds: float, state: TrialState = TrialState.COMPLETE) -> TrialPoint:
    return TrialPoint(
        number=number,
        state=state,
        cause="",
        delta_mtl=None,
        flops=None,
        num_parameters=None,
        metrics={},
        params={},
        on_front=False,
        is_feasible=False,
        epoch=1,
        num_epochs=1,
        started_at=START,
        finished_at=START,
        seconds=seconds,
    )


@pytest.fixture(scope="module")
def summary() -> StudySummary:
    return StudySummary(
        name="s",
        state=StudyState.RUNNING,
        message="",
        created_at=START,
        num_trials=100,
        state_counts={},
        flop_budget=None,
        flop_budget_text="",
        single_task_flops=1000,
        floor_flops=400,
        tasks=(),
        best_trial=None,
        best_label=None,
        best_delta_mtl=None,
        hypervolume=None,
        seconds_spent=0.0,
        eta_seconds=None,
        data="digits",
        backbone="smallconv",
        storage_dir="/data",
    )


def _view(
    summary: StudySummary,
    values: Sequence[float],
    *,
    seconds: float = 100.0,
    num_workers: int = 2,
    num_stopped: int = 0,
) -> StudyView:
    history = tuple(
        HypervolumePoint(num_complete=n, trial=n, finished_at=START + timedelta(seconds=n), hypervolume=value)
        for n, value in enumerate(values, start=1)
    )
    complete = tuple(_point(n, seconds) for n in range(len(values)))
    stopped = tuple(_point(len(values) + n, seconds, TrialState.STOPPED_EARLY) for n in range(num_stopped))
    return StudyView(
        revision="1",
        summary=replace(summary, num_workers=num_workers),
        points=complete + stopped,
        references=(),
        hypervolume=history,
    )


@pytest.mark.parametrize("values", [[], [1.0] * 7, [0.0] * 20])
def test_nothing_is_said_where_too_little_is_known(summary: StudySummary, values: list[float]) -> None:
    assert study_outlook(_view(summary, values)) is None


def test_a_search_that_gains_as_assumed_gets_what_it_will_gain(summary: StudySummary) -> None:
    """Two more for every doubling: 32 trials have brought 10; an hour of 2 workers has room for 32 more."""
    values = [2.0 * (1 + n.bit_length() - 1) - 2.0 for n in range(1, 33)]
    outlook = study_outlook(_view(summary, values, seconds=2 * 3600 / 32))
    assert outlook is not None
    assert outlook.num_trials == pytest.approx(32)
    assert outlook.expected_gain == pytest.approx(2.0 / 10.0)
    assert not outlook.is_little


def test_a_front_that_has_not_moved_for_half_the_study_is_said_to_buy_little(summary: StudySummary) -> None:
    outlook = study_outlook(_view(summary, [1.0, 2.0, 3.0, *[4.0] * 9]))
    assert outlook is not None
    assert outlook.expected_gain == 0.0
    assert outlook_sentence(outlook) == (
        "another hour (about 72 trials) will likely buy little: +0.0 % of hypervolume, "
        "if doubling the trials goes on bringing what it did last (+0.0 %)"
    )


def test_slow_trials_make_an_hour_small(summary: StudySummary) -> None:
    values = [float(n) for n in range(1, 11)]
    gains = [study_outlook(_view(summary, values, seconds=seconds)) for seconds in (60.0, 3600.0, 360_000.0)]
    expected = [outlook.expected_gain for outlook in gains if outlook is not None]
    assert len(expected) == 3
    assert expected == sorted(expected, reverse=True)
    assert gains[2] is not None
    assert gains[2].is_little


def test_stopped_trials_take_part_of_the_hour(summary: StudySummary) -> None:
    values = [float(n) for n in range(1, 11)]
    alone, beside = study_outlook(_view(summary, values)), study_outlook(_view(summary, values, num_stopped=10))
    assert alone is not None
    assert beside is not None
    assert beside.expected_gain < alone.expected_gain


@given(
    steps=st.lists(st.floats(0.0, 5.0), min_size=8, max_size=60),
    seconds=st.floats(1.0, 1e5),
    num_workers=st.integers(1, 16),
)
def test_outlook_is_finite_and_never_below_nothing(
    summary: StudySummary, steps: list[float], seconds: float, num_workers: int
) -> None:
    values = [sum(steps[: n + 1]) for n in range(len(steps))]
    outlook = study_outlook(_view(summary, values, seconds=seconds, num_workers=num_workers))
    if outlook is None:
        assert values[-1] == 0
        return
    assert outlook.last_gain >= 0
    assert outlook.expected_gain >= 0
