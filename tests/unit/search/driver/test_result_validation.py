"""One bad point refuses a whole trial, and says which rule it broke."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.driver.result_validation import check_result
from gatefront.search.errors import RefusedResultError
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.reporting import NetworkResult, TrialResult

TASKS = ("left", "right")
BUDGET = 600
OpenStudy = Callable[..., Any]
GATES = GateMap(tasks=TASKS, sites=(GateSite(name="conv1", own=("10", "00"), flops_per_channel=5.0),))


def derived(index: int, **changes: Any) -> NetworkResult:
    fields: dict[str, Any] = {
        "index": index,
        "flop_target": 450,
        "metrics": {"left": 89.0, "right": 79.0},
        "delta_per_task": {"left": -2.0, "right": -4.0},
        "delta_mtl": -3.0,
        "flops": 440,
        "num_parameters": 1000,
        "gate_map": GATES,
        "seconds": 3.0,
        "train_flops": 1e11,
        "network_path": "derived.pt",
    }
    return NetworkResult(**fields | changes)


def result(*points: NetworkResult, **changes: Any) -> TrialResult:
    fields: dict[str, Any] = {
        "metrics": {"left": 90.0, "right": 80.0},
        "delta_per_task": {"left": -1.0, "right": -3.0},
        "delta_mtl": -2.0,
        "flops": 500,
        "flop_budget": BUDGET,
        "flops_before_cut": 700,
        "num_parameters": 1234,
        "gate_map": GATES,
        "seconds": 12.0,
        "device": "cpu",
        "train_flops": 1e12,
        "peak_memory_mib": 300.0,
        "environment": {},
        "network_path": "network.pt",
        "derived": points,
    }
    return TrialResult(**fields | changes)


def refusal(delivered: TrialResult, flop_budget: int | None = BUDGET) -> str:
    with pytest.raises(RefusedResultError) as caught:
        check_result(delivered, tasks=TASKS, budgets=Budgets(flops=flop_budget))
    return caught.value.message


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"delta_mtl": math.nan}, "delta_mtl must be finite, found nan"),
        ({"seconds": math.inf}, "seconds must be finite"),
        ({"train_flops": math.nan}, "train_flops must be finite"),
        ({"metrics": {"left": 1.0}}, "metrics must name the tasks left, right, found left"),
        ({"delta_per_task": {}}, "metrics must name the tasks left, right"),
        ({"metrics": {"left": 1.0, "right": math.nan}}, "the metric of right must be finite"),
        ({"flops": 0}, "flops must be above 0"),
        ({"flops": 451}, "flops must be at most the flop_target of 450, found 451"),
        ({"flop_target": 601}, "flop_target must be at most the budget of 600, found 601"),
        ({"flops": 601, "flop_target": 601}, "flops must be at most the budget of 600, found 601"),
    ],
)
def test_a_derived_point_keeps_to_the_rules_of_a_trial(changes: dict[str, Any], cause: str) -> None:
    assert refusal(result(derived(1), derived(2, **changes))).startswith(f"derived point 2: {cause}")
    own = changes | {"flop_target": changes.get("flop_target", 450), "flops": changes.get("flops", 440)}
    assert refusal(result(**own)).startswith(cause)


@pytest.mark.parametrize("indices", [(0,), (1, 1), (2, 1, 2), (-1, 1)])
def test_derived_points_are_numbered_apart_from_1_on(indices: tuple[int, ...]) -> None:
    assert f"found {list(indices)}" in refusal(result(*(derived(index) for index in indices)))


@given(
    budget=st.none() | st.integers(1, 1000),
    targets=st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 1100)), max_size=4),
)
def test_nothing_over_its_target_or_the_budget_gets_in(budget: int | None, targets: list[tuple[int, int]]) -> None:
    points = [derived(k, flop_target=target, flops=flops) for k, (target, flops) in enumerate(targets, start=1)]
    delivered = result(*points, flops=1, flop_budget=budget)
    kept = all(0 < flops <= target and (budget is None or target <= budget) for target, flops in targets)
    if kept:
        check_result(delivered, tasks=TASKS, budgets=Budgets(flops=budget))
    else:
        assert refusal(delivered, budget).startswith("derived point ")


def test_without_a_budget_a_target_still_binds() -> None:
    assert "flop_target of 450" in refusal(result(derived(1, flops=460), flop_budget=None), None)
    check_result(
        result(derived(1), flop_budget=None, flop_target=10**15, flops=10**14), tasks=TASKS, budgets=Budgets(flops=None)
    )


def test_the_order_of_derived_points_is_free_and_a_budget_too_close_to_the_next_may_be_left_out() -> None:
    check_result(result(derived(4), derived(1)), tasks=TASKS, budgets=Budgets(flops=BUDGET))


def test_a_bad_derived_point_fails_the_trial_with_its_cause(open_table_study: OpenStudy, make_derived: Any) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.finish("a", derived=(make_derived(1), replace(make_derived(2), flops=5000)))
    view = StudyReader(run.url).view("table")
    assert view.points[0].state is TrialState.FAILED
    assert view.points[0].cause.startswith("derived point 2: flops must be at most the budget of 600, found 5,000")
    assert view.derived == ()
    assert run.optuna_states()[0] == "FAIL"


def test_optuna_is_told_the_trial_s_own_point_only(open_table_study: OpenStudy, make_derived: Any) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.finish("a", delta_mtl=-2.0, flops=500, derived=(make_derived(1, delta_mtl=9.0), make_derived(2)))
    trial = run.study.get_trials()[0]
    assert trial.values == [-2.0, 500.0]
    assert run.store.stored_result(0) == (-2.0, 500, None)
    assert StudyReader(run.url).view("table").summary.best_label == "0.1"


def test_a_network_over_the_parameter_budget_is_refused() -> None:
    delivered = result()
    check_result(delivered, tasks=TASKS, budgets=Budgets(flops=BUDGET, params=delivered.num_parameters))
    with pytest.raises(RefusedResultError, match="num_parameters must be at most the param_budget"):
        check_result(delivered, tasks=TASKS, budgets=Budgets(flops=BUDGET, params=delivered.num_parameters - 1))
