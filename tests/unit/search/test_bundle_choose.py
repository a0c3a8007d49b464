"""Which trial a bundle is made from."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.bundle.choose import choose_trial
from search.errors import NothingToPullError, StudyNotFoundError
from search.records import StudyState, StudySummary, StudyView, TrialPoint, TrialState


def _point(
    number: int, delta_mtl: float | None, flops: int | None, state: TrialState = TrialState.COMPLETE, cause: str = ""
) -> TrialPoint:
    return TrialPoint(
        number=number,
        state=state,
        cause=cause,
        delta_mtl=delta_mtl,
        flops=flops,
        num_parameters=10,
        metrics={},
        params={},
        on_front=False,
        is_feasible=True,
        epoch=1,
        num_epochs=1,
        started_at=None,
        finished_at=None,
        seconds=1.0,
    )


def _view(*points: TrialPoint) -> StudyView:
    counts: dict[TrialState, int] = {}
    for point in points:
        counts[point.state] = counts.get(point.state, 0) + 1
    summary = StudySummary(
        name="digits",
        state=StudyState.RUNNING,
        message="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        num_trials=12,
        state_counts=counts,
        flop_budget=None,
        flop_budget_text="",
        single_task_flops=1000,
        floor_flops=300,
        tasks=(),
        best_trial=None,
        best_delta_mtl=None,
        hypervolume=None,
        seconds_spent=0.0,
        eta_seconds=None,
        data="digits",
        backbone="smallconv",
        storage_dir="",
    )
    return StudyView(revision="1", summary=summary, points=points, references=(), hypervolume=())


def test_best_delta_mtl_under_the_budget_wins() -> None:
    view = _view(_point(0, -1.0, 400), _point(1, 2.0, 900), _point(2, 1.0, 500))
    assert choose_trial(view, flop_budget=500, trial=None).number == 2
    assert choose_trial(view, flop_budget=499, trial=None).number == 0
    assert choose_trial(view, flop_budget=None, trial=None).number == 1


def test_equal_delta_mtl_prefers_the_cheaper_then_the_earlier() -> None:
    view = _view(_point(0, 1.0, 500), _point(1, 1.0, 400), _point(2, 1.0, 400))
    assert choose_trial(view, flop_budget=None, trial=None).number == 1


@given(
    points=st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 1000)), min_size=1, max_size=12),
    budget=st.integers(1, 1000),
)
def test_the_choice_keeps_to_the_budget_and_none_is_better(points: list[tuple[float, int]], budget: int) -> None:
    view = _view(*(_point(number, delta, flops) for number, (delta, flops) in enumerate(points)))
    fitting = [delta for delta, flops in points if flops <= budget]
    if not fitting:
        with pytest.raises(NothingToPullError, match=f"{min(flops for _, flops in points)}"):
            choose_trial(view, flop_budget=budget, trial=None)
        return
    chosen = choose_trial(view, flop_budget=budget, trial=None)
    assert chosen.flops is not None
    assert chosen.flops <= budget
    assert chosen.delta_mtl == max(fitting)


@pytest.mark.parametrize("state", [state for state in TrialState if state is not TrialState.COMPLETE])
def test_only_complete_trials_count(state: TrialState) -> None:
    view = _view(_point(0, 5.0, 400, state=state))
    with pytest.raises(NothingToPullError, match=f"no finished trial: 1 {state}"):
        choose_trial(view, flop_budget=None, trial=None)


def test_a_study_without_trials_says_so() -> None:
    with pytest.raises(NothingToPullError, match="no trials at all"):
        choose_trial(_view(), flop_budget=None, trial=None)


def test_none_under_the_budget_names_the_smallest() -> None:
    view = _view(_point(0, 0.0, 1_400), _point(1, 0.0, 1_200))
    with pytest.raises(NothingToPullError, match=r"trial 1, costs 1,200") as caught:
        choose_trial(view, flop_budget=1_000, trial=None)
    assert "1,000" in str(caught.value)


def test_a_named_trial_is_taken_though_another_is_better() -> None:
    view = _view(_point(0, -3.0, 400), _point(1, 2.0, 400))
    assert choose_trial(view, flop_budget=None, trial=0).number == 0


def test_a_named_trial_must_exist() -> None:
    with pytest.raises(StudyNotFoundError, match="no trial 7"):
        choose_trial(_view(_point(0, 0.0, 400)), flop_budget=None, trial=7)


def test_a_named_trial_must_be_complete_and_the_cause_is_told() -> None:
    view = _view(_point(0, None, None, state=TrialState.FAILED, cause="loss is NaN"))
    with pytest.raises(NothingToPullError, match=r"FAILED \(loss is NaN\)"):
        choose_trial(view, flop_budget=None, trial=0)


def test_a_named_trial_must_keep_to_a_named_budget() -> None:
    with pytest.raises(NothingToPullError, match="over the flop_budget of 300"):
        choose_trial(_view(_point(0, 0.0, 400)), flop_budget=300, trial=0)
