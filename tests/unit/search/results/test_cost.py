"""What a study cost: everything that was trained counts once, whatever became of it."""

from collections.abc import Callable
from typing import Any

import pytest

from gatefront.search.driver.worker.messages import EpochFinished
from gatefront.search.results.cost import GPUS_HELD, cost_line, study_cost
from gatefront.search.results.records import StudyView
from gatefront.search.snapshots.reader import StudyReader
from gatefront.trainer.reporting import EpochReport, NetworkResult, ReferenceResult, TrialResult

OpenStudy = Callable[..., Any]
MakeDerived = Callable[..., NetworkResult]
MakeTrial = Callable[..., TrialResult]


def _view(run: Any) -> StudyView:
    return StudyReader(run.url).view("table")


def _epoch(epoch: int) -> EpochReport:
    return EpochReport(
        epoch=epoch, num_epochs=3, phase="train", losses={}, metrics={}, learning_rate=0.1, seconds=4.0, flops=5
    )


def _reference(key: str, seconds: float, *, from_cache: bool) -> ReferenceResult:
    return ReferenceResult(
        kind="single_task",
        key=key,
        tasks=("left",),
        metrics={"left": 90.0},
        flops=100,
        num_parameters=1,
        seconds=seconds,
        train_flops=1.0,
        path="x",
        from_cache=from_cache,
    )


def test_a_study_without_trials_has_cost_nothing_and_shares_nothing(open_table_study: OpenStudy) -> None:
    cost = study_cost(_view(open_table_study()))
    assert (cost.device_hours, cost.per_trial, cost.per_front_point, cost.per_hypervolume) == (0.0, None, None, None)
    assert cost_line(cost) == "0 s of CPU time in all"


def test_every_kind_of_training_counts_once(open_table_study: OpenStudy, make_derived: MakeDerived) -> None:
    run = open_table_study(max_concurrent=9)
    run.store.record_reference("left", _reference("new", 30.0, from_cache=False), is_baseline=True)
    run.store.record_reference("right", _reference("old", 500.0, from_cache=True), is_baseline=True)
    # A resumed study finds in the cache what it has trained itself: it was paid for.
    run.store.record_reference("left", _reference("new", 30.0, from_cache=True), is_baseline=True)
    for name in ("complete", "stopped", "under way", "waiting"):
        run.searcher.suggest(name)
    run.finish("complete", derived=(make_derived(1),))
    run.work("stopped", EpochFinished(_epoch(1)))
    run.searcher.note_stop("stopped", "place 3 of 3")
    run.searcher.on_trial_complete("stopped")
    run.work("under way", EpochFinished(_epoch(1)), EpochFinished(_epoch(2)))
    cost = study_cost(_view(run))
    assert cost.reference_seconds == 30.0
    assert cost.worker_seconds == 30.0 + (12.0 + 3.0) + 4.0 + 8.0
    assert cost.per_trial == (12.0 + 3.0 + 4.0) / 2
    assert cost.per_front_point == cost.worker_seconds / 2
    assert cost.device_hours == pytest.approx(cost.worker_seconds / 3600)
    # Taken up again, the trial that was under way does not pay for those epochs a second time.
    run.searcher.release()
    assert study_cost(_view(run)).worker_seconds == cost.worker_seconds


def test_share_of_a_gpu_is_what_a_worker_costs(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.finish("a", seconds=3600.0, environment={"torch": "2", GPUS_HELD: "0.25"})
    cost = study_cost(_view(run))
    assert (cost.device, cost.devices_per_worker, cost.device_hours) == ("GPU", 0.25, 0.25)
    assert cost_line(cost) == "15 min of GPU time in all, 15 min per trial, 15 min per front point"


def test_hypervolume_has_a_price_once_there_is_some(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    hard = ReferenceResult(
        kind="hard_sharing",
        key="hard",
        tasks=("left", "right"),
        metrics={"left": 80.0, "right": 70.0},
        flops=400,
        num_parameters=1,
        seconds=6.0,
        train_flops=1.0,
        path="x",
        from_cache=False,
    )
    run.store.record_reference("hard", hard, is_baseline=True, delta_mtl=-12.0)
    run.searcher.suggest("a")
    run.finish("a", delta_mtl=-2.0, flops=500)
    view = _view(run)
    assert view.summary.hypervolume == pytest.approx(10.0 * 0.1)
    assert study_cost(view).per_hypervolume == pytest.approx((12.0 + 6.0) / 1.0)


def test_repeats_are_trials_that_were_paid_for(open_table_study: OpenStudy, make_trial: MakeTrial) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.finish("a")
    run.store.open_trial(7, params={}, seed=7, num_epochs=3, confirms=0)
    run.store.complete_trial(7, make_trial(seconds=20.0))
    cost = study_cost(_view(run))
    assert cost.worker_seconds == 12.0 + 20.0
    assert cost.per_trial == (12.0 + 20.0) / 2
