"""Trials are handed out once, told once, and never left behind: all without Ray."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from ray.tune.search import Searcher

from gatefront.search.driver.worker.messages import EpochFinished, TrialFailed
from gatefront.search.results.states import TrialState
from gatefront.search.sampling.optuna_study import ask
from gatefront.search.snapshots.reader import StudyReader
from gatefront.trainer.reporting import EpochReport, TrialResult

OpenStudy = Callable[..., Any]


def test_exactly_the_asked_number_is_handed_out(open_table_study: OpenStudy) -> None:
    run = open_table_study(max_concurrent=6)
    configs = [run.searcher.suggest(f"ray{n}") for n in range(6)]
    assert [config["trial_number"] for config in configs] == list(range(6))
    assert run.searcher.suggest("ray6") == Searcher.FINISHED


def test_first_points_span_tau_with_the_strongest_lambda(open_table_study: OpenStudy) -> None:
    run = open_table_study(max_concurrent=6)
    params = [run.searcher.suggest(f"ray{n}")["params"] for n in range(4)]
    assert [(p["gates.tau"], p["gates.lambda_s"]) for p in params[:3]] == [(0.0, 10.0), (0.5, 10.0), (1.0, 10.0)]
    assert 0.1 <= params[3]["gates.lambda_s"] <= 10.0


def test_no_more_than_the_workers_run_at_a_time(open_table_study: OpenStudy) -> None:
    run = open_table_study(max_concurrent=2)
    run.searcher.suggest("a")
    run.searcher.suggest("b")
    assert run.searcher.suggest("c") is None
    run.finish("a")
    assert run.searcher.suggest("c")["trial_number"] == 2


def test_complete_trial_carries_values_and_the_named_constraints(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.finish("a", delta_mtl=-2.0, flops=500)
    (trial,) = run.study.get_trials(deepcopy=False)[:1]
    assert (trial.state.name, trial.values) == ("COMPLETE", [-2.0, 500.0])
    assert trial.constraints == {"flops": pytest.approx(500 / 600 - 1), "trained": -1.0}


def test_without_a_budget_no_cost_is_constrained(open_table_study: OpenStudy) -> None:
    run = open_table_study(text='[study]\nname = "free"\ntrials = 2\n[data]\nname = "digits"\n')
    run.searcher.suggest("a")
    run.finish("a", flop_budget=None, flops=10**6)
    (trial,) = run.study.get_trials(deepcopy=False)
    assert (trial.state.name, trial.constraints) == ("COMPLETE", {"trained": -1.0})


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"delta_mtl": math.nan}, "delta_mtl must be finite"),
        ({"delta_mtl": math.inf}, "delta_mtl must be finite"),
        ({"metrics": {"left": 1.0}}, "metrics must name the tasks left, right"),
        ({"metrics": {"left": 1.0, "right": math.nan}}, "metric of right must be finite"),
        ({"flops": 601}, "at most the budget of 600, found 601"),
        ({"flops": 0}, "flops must be above 0"),
        ({"flop_budget": 700}, "the study's 600, found 700"),
    ],
)
def test_bad_result_is_refused_with_its_cause(open_table_study: OpenStudy, changes: dict[str, Any], cause: str) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.finish("a", **changes)
    point = StudyReader(run.url).view("table").points[0]
    assert point.state is TrialState.FAILED
    assert cause in point.cause
    assert run.optuna_states()[0] == "FAIL"
    assert run.searcher.suggest("b")["trial_number"] == 1


def test_failure_in_the_worker_is_its_cause(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.work("a", TrialFailed("the loss of left is nan"))
    assert StudyReader(run.url).view("table").points[0].cause == "the loss of left is nan"


def test_dead_worker_is_named_with_its_attempts(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.work("a")
    run.searcher.note_cause("a", "The worker was killed: out of memory.")
    run.searcher.on_trial_complete("a", error=True)
    point = StudyReader(run.url).view("table").points[0]
    assert point.state is TrialState.FAILED
    assert "out of memory" in point.cause


def test_repeated_message_counts_once(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.work("a")
    run.work("a")
    assert StudyReader(run.url).trial("table", 0).attempts == 1


def test_end_without_a_result_is_a_failure(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.searcher.on_trial_complete("a")
    assert run.states() == {0: TrialState.FAILED}


def test_drained_trials_are_taken_up_again(open_table_study: OpenStudy, epoch: EpochReport) -> None:
    run = open_table_study()
    first = [run.searcher.suggest(name) for name in ("a", "b")]
    run.work("a", EpochFinished(epoch))
    run.finish("b")
    run.stop_request.request("test")
    assert run.searcher.suggest("c") == Searcher.FINISHED
    run.searcher.on_trial_complete("a")
    assert run.states() == {0: TrialState.QUEUED, 1: TrialState.COMPLETE}

    again = open_table_study(max_concurrent=9)
    assert (again.recovery.num_done, again.recovery.num_left) == (1, 5)
    configs = [again.searcher.suggest(f"ray{n}") for n in range(5)]
    assert configs[0] == first[0]
    assert [config["trial_number"] for config in configs] == [0, 2, 3, 4, 5]
    assert again.searcher.suggest("more") == Searcher.FINISHED


def test_driver_killed_anywhere_leaves_no_trial_behind(open_table_study: OpenStudy, result: TrialResult) -> None:
    """Killed after ``ask``, after our row, after our result: each ends once, none is doubled."""
    run = open_table_study(max_concurrent=9)
    run.searcher.suggest("a")
    run.store.complete_trial(0, result)
    run.searcher.suggest("b")
    run.store.fail_trial(1, "the loss is NaN")
    ask(run.study, run.space)
    half_asked = run.study.ask()
    assert half_asked.number == 3

    again = open_table_study(max_concurrent=9)
    assert again.optuna_states()[:2] == ["COMPLETE", "FAIL"]
    configs = [again.searcher.suggest(f"ray{n}") for n in range(4)]
    assert [config["trial_number"] for config in configs] == [2, 3, 4, 5]
    assert set(configs[1]["params"]) == {"gates.tau", "gates.lambda_s"}
    for n in range(4):
        again.finish(f"ray{n}")
    assert again.optuna_states() == ["COMPLETE", "FAIL", *["COMPLETE"] * 4]
    assert open_table_study().searcher.suggest("more") == Searcher.FINISHED


def test_resumed_sampler_does_not_replay_its_random_numbers(open_table_study: OpenStudy) -> None:
    run = open_table_study(max_concurrent=9)
    before = [run.searcher.suggest(f"ray{n}")["params"] for n in range(5)]
    for n in range(5):
        run.finish(f"ray{n}")
    assert open_table_study().searcher.suggest("x")["params"] not in before


def test_pickled_searcher_carries_no_database(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    assert b"gatefront.db" not in pickle.dumps(run.searcher)


@pytest.fixture
def epoch() -> EpochReport:
    return EpochReport(
        epoch=1, num_epochs=3, phase="train", losses={}, metrics={}, learning_rate=0.1, seconds=1.0, flops=5
    )


@pytest.fixture
def result(open_table_study: OpenStudy) -> TrialResult:
    return TrialResult(
        metrics={"left": 1.0, "right": 1.0},
        delta_per_task={"left": 1.0, "right": 1.0},
        delta_mtl=1.0,
        flops=450,
        flop_budget=600,
        flops_before_cut=450,
        num_parameters=1,
        gate_map=_empty_gate_map(),
        seconds=1.0,
        device="cpu",
        train_flops=1.0,
        peak_memory_mib=1.0,
        environment={},
        network_path="x",
    )


def _empty_gate_map() -> Any:
    from gatefront.spaces.gating.gate_map import GateMap

    return GateMap(tasks=("left", "right"), sites=())
