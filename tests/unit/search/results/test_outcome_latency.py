"""A study with `[latency]`: every point carries its time, and one over the budget is seen and never chosen."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from gatefront.search.bundle.selection import Wanted, choose_point
from gatefront.search.cli.commands.status import status_document
from gatefront.search.cli.front_table import front_csv, front_document, front_notes, front_table
from gatefront.search.cli.json_output import to_text
from gatefront.search.cli.live import PlainDisplay
from gatefront.search.errors import NothingToPullError, RefusedResultError
from gatefront.search.results.outcome import Outcome
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.search.sampling.optuna_study import tell_complete
from gatefront.search.snapshots.reader import StudyReader
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.reporting import NetworkResult, TrialResult

OpenStudy = Callable[..., Any]
MakeDerived = Callable[..., NetworkResult]

FILE = """
[study]
name = "table"
flop_budget = "600"
trials = 6
[data]
name = "digits"
[gates]
tau = {low = 0.0, high = 1.0}
[latency]
"""
CAPPED = FILE + "budget_ms = 4.0\n"


def view_of(run: Any) -> StudyView:
    return StudyReader(run.url).view("table")


def finish(run: Any, number: int, **changes: Any) -> None:
    run.searcher.suggest(f"r{number}")
    run.finish(f"r{number}", **changes)


def _choose(view: StudyView, **asked: Any) -> TrialPoint:
    wanted = Wanted(**asked)
    return choose_point(view, budgets=wanted.budgets(view.summary), label=wanted.trial)


@pytest.fixture
def run(open_table_study: OpenStudy, make_derived: MakeDerived) -> Any:
    """Trial 0 fast; 1 better and too slow, its derived point fast; 2 as fast as allowed; Δ_MTL -5, -1, -3 and -4."""
    run = open_table_study(text=CAPPED)
    finish(run, 0, delta_mtl=-5.0, flops=430, latency_ms=2.0)
    finish(run, 1, delta_mtl=-1.0, flops=450, latency_ms=4.001, derived=(make_derived(1, latency_ms=3.5),))
    finish(run, 2, delta_mtl=-4.0, flops=460, latency_ms=4.0)
    return run


def test_a_slow_point_is_in_the_table_and_not_on_the_front(run: Any) -> None:
    view = view_of(run)
    points = {point.label: point for point in view.all_points}
    assert {label: point.latency_ms for label, point in points.items()} == {"0": 2.0, "1": 4.001, "2": 4.0, "1.1": 3.5}
    assert {label: point.exceeds for label, point in points.items()} == {
        "0": (), "1": ("latency",), "2": (), "1.1": (),
    }  # fmt: skip
    assert points["1"].state is TrialState.COMPLETE
    assert not points["1"].is_feasible
    # Without the slow one, 1.1 (Δ -3 at 440) is the best and leaves 2 (-4 at 460) behind it.
    assert [label for label, point in points.items() if point.on_front] == ["0", "1.1"]
    assert view.summary.best_label == "1.1"


def test_a_trial_s_own_page_agrees_with_the_study_s(run: Any) -> None:
    view = view_of(run)
    for number in (0, 1, 2):
        networks = StudyReader(run.url).trial("table", number).networks
        expected = [point for point in view.all_points if point.number == number]
        assert [network.point for network in networks] == expected


def test_a_slow_point_adds_no_hypervolume(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=CAPPED)
    finish(run, 0, delta_mtl=-5.0, flops=430, latency_ms=400.0)
    view = view_of(run)
    assert view.hypervolume == ()
    assert (view.summary.best_label, view.points[0].on_front) == (None, False)


def test_without_a_budget_time_is_shown_and_caps_nothing(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=FILE)
    finish(run, 0, latency_ms=1e6)
    view = view_of(run)
    assert (view.points[0].latency_ms, view.points[0].on_front, view.points[0].exceeds) == (1e6, True, ())
    assert run.study.trials[0].constraints == pytest.approx({"flops": 500 / 600 - 1, "trained": -1.0})


def test_without_the_table_nothing_of_it_is_seen(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    finish(run, 0)
    view = view_of(run)
    assert (view.summary.latency, view.points[0].latency_ms, view.points[0].on_front) == (None, None, True)
    assert "latency" not in [column.header for column in front_table(view).columns]
    assert not any("atency" in note for note in front_notes(view))


@pytest.mark.parametrize("value", [None, math.nan, math.inf, 0.0, -1.0])
@pytest.mark.parametrize("is_derived", [False, True])
def test_a_result_that_was_not_timed_is_refused(
    open_table_study: OpenStudy, make_derived: MakeDerived, value: float | None, is_derived: bool
) -> None:
    run = open_table_study(text=FILE)
    if is_derived:
        finish(run, 0, latency_ms=3.0, derived=(make_derived(1, latency_ms=value),))
    else:
        finish(run, 0, latency_ms=value)
    (point,) = view_of(run).points
    assert point.state is TrialState.FAILED
    assert point.cause.startswith("derived point 1: latency_ms" if is_derived else "latency_ms")
    assert ("is missing: the study measures it (onnx, fp32, 1 thread, batch 1)" in point.cause) == (value is None)


def test_optuna_is_told_every_constraint(run: Any) -> None:
    trials = run.study.get_trials(deepcopy=False)
    assert [trial.constraints for trial in trials[:2]] == [
        pytest.approx({"flops": 430 / 600 - 1, "latency": 2.0 / 4.0 - 1, "trained": -1.0}),
        pytest.approx({"flops": 450 / 600 - 1, "latency": 4.001 / 4.0 - 1, "trained": -1.0}),
    ]
    feasible = {trial.number for trial in run.study.best_trials}
    assert 1 not in feasible


def test_the_sampler_goes_on_with_both_constraints(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=CAPPED.replace("trials = 6", "trials = 12"))
    for number in range(12):
        finish(run, number, delta_mtl=-float(number), flops=400 + number, latency_ms=2.0 + number % 4)
    assert run.optuna_states() == ["COMPLETE"] * 12


def test_a_resumed_study_tells_what_the_dead_driver_had_stored(
    open_table_study: OpenStudy, make_trial: Callable[..., TrialResult]
) -> None:
    run = open_table_study(text=CAPPED)
    run.searcher.suggest("r0")
    run.store.complete_trial(0, make_trial(latency_ms=6.0))  # and dies before Optuna hears of it
    again = open_table_study(text=CAPPED)
    assert again.study.trials[0].constraints == pytest.approx({"flops": 500 / 600 - 1, "latency": 0.5, "trained": -1.0})
    assert view_of(again).points[0].exceeds == ("latency",)


def test_a_budget_without_a_time_is_not_told_to_optuna(run: Any) -> None:
    trial = run.study.ask()
    with pytest.raises(RefusedResultError, match="no latency_ms"):
        tell_complete(run.study, trial, Outcome(-1.0, 500), Budgets(latency_ms=4.0))


def test_pull_takes_the_best_that_is_fast_enough(run: Any) -> None:
    view = view_of(run)
    assert _choose(view, flop_budget="600").label == "1.1"
    assert _choose(view, flop_budget="435").label == "0"
    assert _choose(view, trial=PointLabel(1)).label == "1"  # asked for by its number
    with pytest.raises(NothingToPullError, match="the smallest, trial 0, costs 430"):
        _choose(view, flop_budget="1")


def test_pull_names_the_fastest_where_none_is_fast_enough(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=CAPPED)
    finish(run, 0, latency_ms=9.0)
    finish(run, 1, latency_ms=7.25, delta_mtl=-6.0)
    sentence = r"latency budget of 4 ms: the fastest, trial 1, took 7.25 ms.*--trial 1"
    with pytest.raises(NothingToPullError, match=sentence):
        _choose(view_of(run), flop_budget="600")


def test_pull_takes_another_latency_budget_than_the_study_s(run: Any, open_table_study: OpenStudy) -> None:
    view = view_of(run)
    chosen = {ms: _choose(view, flop_budget="600", latency_budget_ms=ms).label for ms in (2.0, 3.5, 9.0)}
    assert chosen == {2.0: "0", 3.5: "1.1", 9.0: "1"}
    assert _choose(view, latency_budget_ms=4.0, trial=PointLabel(2)).label == "2"
    with pytest.raises(
        NothingToPullError, match=r"trial 1 of study 'table' took 4 ms, over the latency_budget of 3 ms"
    ):
        _choose(view, latency_budget_ms=3.0, trial=PointLabel(1))
    with pytest.raises(NothingToPullError, match=r"latency budget of 1 ms: the fastest, trial 0, took 2 ms"):
        _choose(view, flop_budget="600", latency_budget_ms=1.0)


def test_pull_under_a_latency_that_nobody_measured_is_refused(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    finish(run, 0)
    with pytest.raises(NothingToPullError, match=r"'table' does not measure latency.*gatefront bench"):
        _choose(view_of(run), flop_budget="600", latency_budget_ms=3.0)


THREE = FILE.replace("trials = 6", 'trials = 8\nobjectives = ["delta_mtl", "flops", "latency"]')


def test_latency_as_an_objective_keeps_the_fast_on_the_front(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=THREE)
    finish(run, 0, delta_mtl=-2.0, flops=430, latency_ms=3.0)
    finish(run, 1, delta_mtl=-3.0, flops=440, latency_ms=2.0)  # worse and dearer, but faster
    finish(run, 2, delta_mtl=-3.0, flops=450, latency_ms=2.5)  # beaten by 1 in FLOPs and time
    view = view_of(run)
    assert [point.label for point in view.points if point.on_front] == ["0", "1"]
    assert view.summary.best_label == "0"
    assert any("Latency is an objective" in note for note in front_notes(view))
    assert [trial.values for trial in run.study.trials[:2]] == [[-2.0, 430.0, 3.0], [-3.0, 440.0, 2.0]]
    assert {trial.number for trial in run.study.best_trials} == {0, 1}


def test_the_sampler_goes_on_with_three_objectives(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=THREE)
    for number in range(8):
        finish(run, number, delta_mtl=-float(number), flops=400 + number, latency_ms=9.0 - number)
    assert run.optuna_states() == ["COMPLETE"] * 8
    assert all(point.on_front for point in view_of(run).points)


def test_an_objective_without_a_time_is_not_told_to_optuna(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=THREE)
    with pytest.raises(RefusedResultError, match="no latency_ms"):
        tell_complete(run.study, run.study.ask(), Outcome(-1.0, 500), Budgets())


def test_front_and_status_say_the_time(run: Any) -> None:
    view = view_of(run)
    assert "latency" in [column.header for column in front_table(view).columns]
    assert any("onnx, fp32, 1 thread, batch 1), at most 4 ms" in note for note in front_notes(view))
    document = json.loads(to_text(front_document(view)))
    assert [point["latency_ms"] for point in document["points"]] == [2.0, 3.5]
    assert document["latency"] == {
        "budget_ms": 4.0, "runtime": "onnx", "threads": 1, "batch": 1, "precision": "fp32", "is_objective": False,
    }  # fmt: skip
    head, *rows = (line.split(",") for line in front_csv(view).splitlines())
    assert [row[head.index("latency_ms")] for row in rows] == ["2.0", "3.5"]
    trials = json.loads(to_text(status_document(view)))["trials"]
    assert [(trial["latency_ms"], trial["exceeds"]) for trial in trials] == [(2.0, []), (4.001, ["latency"]), (4.0, [])]


def test_the_running_study_says_the_time(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=CAPPED)
    lines: list[str] = []
    display = PlainDisplay(lines.append)
    display.show(view_of(run))
    finish(run, 0, latency_ms=2.0)
    finish(run, 1, latency_ms=5.25)
    display.show(view_of(run))
    told = "\n".join(lines)
    assert "trial 0 COMPLETE: Δ_MTL −2.00 % at 500 FLOPs (50.0 % of single-task), 2 ms\n" in told
    assert "trial 1 COMPLETE: Δ_MTL −2.00 % at 500 FLOPs (50.0 % of single-task), 5.25 ms, too slow\n" in told
