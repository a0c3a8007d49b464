"""Which trial a bundle is made from."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.bundle.selection import choose_point
from gatefront.search.errors import NothingToPullError, PointLabelError, StudyNotFoundError
from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudySummary, StudyView, TrialPoint
from gatefront.search.results.states import StudyState, TrialState
from gatefront.spaces.budgets.budgets import Budgets


def _point(
    number: int,
    delta_mtl: float | None,
    flops: int | None,
    state: TrialState = TrialState.COMPLETE,
    cause: str = "",
    derived: int = 0,
) -> TrialPoint:
    return TrialPoint(
        number=number,
        derived=derived,
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


def _view(*all_points: TrialPoint) -> StudyView:
    points = tuple(point for point in all_points if not point.derived)
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
        best_label=None,
        best_delta_mtl=None,
        hypervolume=None,
        seconds_spent=0.0,
        eta_seconds=None,
        data="digits",
        backbone="smallconv",
        storage_dir="",
    )
    return StudyView(
        revision="1",
        summary=summary,
        points=points,
        references=(),
        hypervolume=(),
        derived=tuple(point for point in all_points if point.derived),
    )


def test_best_delta_mtl_under_the_budget_wins() -> None:
    view = _view(_point(0, -1.0, 400), _point(1, 2.0, 900), _point(2, 1.0, 500))
    assert choose_point(view, budgets=Budgets(flops=500), label=None).number == 2
    assert choose_point(view, budgets=Budgets(flops=499), label=None).number == 0
    assert choose_point(view, budgets=Budgets(), label=None).number == 1


def test_a_confirmed_network_is_preferred_to_a_lucky_one() -> None:
    sure = replace(_point(1, 5.0, 900), confirmation=Confirmation(mean=3.0, low=2.0, high=4.0, seeds=3))
    assert choose_point(_view(sure, _point(2, 3.9, 800)), budgets=Budgets(), label=None).number == 1
    assert choose_point(_view(sure, _point(2, 4.1, 800)), budgets=Budgets(), label=None).number == 2
    # Where the confirmed one is too dear, what fits is taken.
    assert choose_point(_view(sure, _point(2, 3.9, 800)), budgets=Budgets(flops=850), label=None).number == 2


def test_a_repeat_can_be_asked_for_and_is_not_taken_unasked() -> None:
    view = replace(_view(_point(1, 5.0, 900)), replicates=(replace(_point(2, 9.0, 900), confirms=1),))
    assert choose_point(view, budgets=Budgets(), label=None).number == 1
    assert choose_point(view, budgets=Budgets(), label=PointLabel(2)).number == 2


def test_equal_delta_mtl_prefers_the_cheaper_then_the_earlier() -> None:
    view = _view(_point(0, 1.0, 500), _point(1, 1.0, 400), _point(2, 1.0, 400))
    assert choose_point(view, budgets=Budgets(), label=None).number == 1


@given(
    points=st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 1000)), min_size=1, max_size=12),
    budget=st.integers(1, 1000),
)
def test_the_choice_keeps_to_the_budget_and_none_is_better(points: list[tuple[float, int]], budget: int) -> None:
    view = _view(*(_point(number, delta, flops) for number, (delta, flops) in enumerate(points)))
    fitting = [delta for delta, flops in points if flops <= budget]
    if not fitting:
        with pytest.raises(NothingToPullError, match=f"costs {min(flops for _, flops in points):,}"):
            choose_point(view, budgets=Budgets(flops=budget), label=None)
        return
    chosen = choose_point(view, budgets=Budgets(flops=budget), label=None)
    assert chosen.flops is not None
    assert chosen.flops <= budget
    assert chosen.delta_mtl == max(fitting)


@pytest.mark.parametrize("state", [state for state in TrialState if state is not TrialState.COMPLETE])
def test_only_complete_trials_count(state: TrialState) -> None:
    view = _view(_point(0, 5.0, 400, state=state))
    with pytest.raises(NothingToPullError, match=f"no finished trial: 1 {state}"):
        choose_point(view, budgets=Budgets(), label=None)


def test_a_study_without_trials_says_so() -> None:
    with pytest.raises(NothingToPullError, match="no trials at all"):
        choose_point(_view(), budgets=Budgets(), label=None)


def test_none_under_the_budget_names_the_smallest() -> None:
    view = _view(_point(0, 0.0, 1_400), _point(1, 0.0, 1_200))
    with pytest.raises(NothingToPullError, match=r"trial 1, costs 1,200") as caught:
        choose_point(view, budgets=Budgets(flops=1_000), label=None)
    assert "1,000" in str(caught.value)


def test_a_named_trial_is_taken_though_another_is_better() -> None:
    view = _view(_point(0, -3.0, 400), _point(1, 2.0, 400))
    assert choose_point(view, budgets=Budgets(), label=PointLabel(0)).number == 0


def test_a_named_trial_must_exist() -> None:
    with pytest.raises(StudyNotFoundError, match="no trial 7"):
        choose_point(_view(_point(0, 0.0, 400)), budgets=Budgets(), label=PointLabel(7))


def test_a_named_trial_must_be_complete_and_the_cause_is_told() -> None:
    view = _view(_point(0, None, None, state=TrialState.FAILED, cause="loss is NaN"))
    with pytest.raises(NothingToPullError, match=r"FAILED \(loss is NaN\)"):
        choose_point(view, budgets=Budgets(), label=PointLabel(0))


def test_a_named_trial_must_keep_to_a_named_budget() -> None:
    with pytest.raises(NothingToPullError, match="over the flop_budget of 300"):
        choose_point(_view(_point(0, 0.0, 400)), budgets=Budgets(flops=300), label=PointLabel(0))


def test_a_derived_point_can_be_the_best_and_a_trial_s_own_is_preferred_to_an_equal_one() -> None:
    view = _view(
        _point(0, -1.0, 400), _point(1, 0.0, 500), _point(0, 1.0, 300, derived=2), _point(0, 0.0, 500, derived=1)
    )
    assert choose_point(view, budgets=Budgets(), label=None).label == "0.2"
    rest = _view(*(point for point in view.all_points if point.derived != 2))
    assert choose_point(rest, budgets=Budgets(), label=None).label == "1"


def test_a_named_derived_point_is_taken() -> None:
    view = _view(_point(7, 5.0, 400), _point(7, 1.0, 300, derived=1), _point(7, 0.0, 200, derived=2))
    assert choose_point(view, budgets=Budgets(), label=PointLabel(7, 2)).label == "7.2"
    assert choose_point(view, budgets=Budgets(), label=PointLabel(7)).label == "7"
    with pytest.raises(NothingToPullError, match=r"trial 7\.1 .* over the flop_budget of 250"):
        choose_point(view, budgets=Budgets(flops=250), label=PointLabel(7, 1))


def test_a_derived_point_that_is_not_there_names_those_that_are() -> None:
    view = _view(_point(7, 5.0, 400), _point(7, 1.0, 300, derived=1), _point(8, 0.0, 400))
    with pytest.raises(StudyNotFoundError, match="no derived point 9") as caught:
        choose_point(view, budgets=Budgets(), label=PointLabel(7, 9))
    assert "7.1" in (caught.value.hint or "")
    with pytest.raises(StudyNotFoundError) as caught:
        choose_point(view, budgets=Budgets(), label=PointLabel(8, 1))
    assert "none" in (caught.value.hint or "")


def test_a_derived_point_of_a_trial_that_failed_is_not_pulled() -> None:
    view = _view(_point(7, None, None, state=TrialState.VOID, cause="wrong data"))
    with pytest.raises(NothingToPullError, match=r"VOID \(wrong data\)"):
        choose_point(view, budgets=Budgets(), label=PointLabel(7, 1))


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1))
def test_a_label_is_read_back(number: int, derived: int) -> None:
    label = PointLabel(number, derived)
    assert PointLabel.parse(str(label)) == label


@pytest.mark.parametrize("text", ["", "7.", "7.0", "7.x", ".2", "7.2.1", "-7", "7,2", "+7", "٧", "best"])
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(PointLabelError, match="--trial"):
        PointLabel.parse(text)
