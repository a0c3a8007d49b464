"""A cap on hours is kept to one epoch, whatever is under way when it strikes. The clock is the test's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.search import Searcher

from gatefront.search.driver.ray_backend import reference_tasks as ray_references
from gatefront.search.driver.ray_backend import tasks as ray_jobs
from gatefront.search.driver.ray_backend.reference_tasks import RayReferences
from gatefront.search.driver.ray_backend.scheduler import StopRequestStopper
from gatefront.search.driver.ray_backend.tasks import PreparationStoppedError
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.messages import EpochFinished
from gatefront.search.planning.worker_resources import WorkerResources
from gatefront.search.results.states import TrialState
from gatefront.trainer.reporting import EpochReport

OpenStudy = Callable[..., Any]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeRay:
    """Ray's tasks on the test's clock: a task is ready so many seconds after it was handed out."""

    exceptions = ray.exceptions

    def __init__(self, clock: Clock, durations: Sequence[float]) -> None:
        self.clock = clock
        self._durations = list(durations)
        self._ready_at: dict[int, float] = {}
        self.cancelled: list[int] = []

    def remote(self, *arguments: object) -> Any:
        if len(arguments) == 1:
            return self
        self._ready_at[len(self._ready_at)] = self.clock() + self._durations[len(self._ready_at)]
        return len(self._ready_at) - 1

    def options(self, **_: object) -> "FakeRay":
        return self

    def wait(self, tasks: list[int], timeout: float) -> tuple[list[int], list[int]]:
        self.clock.now = min([self.clock() + timeout, *(max(self.clock(), self._ready_at[task]) for task in tasks)])
        ready = [task for task in tasks if self._ready_at[task] <= self.clock()][:1]
        return ready, [task for task in tasks if task not in ready]

    def get(self, task: int) -> str:
        return f"result {task}"

    def cancel(self, task: int, *, force: bool) -> None:
        assert force
        self.cancelled.append(task)


@given(st.lists(st.floats(0.1, 30.0), min_size=1, max_size=6), st.floats(0.0, 20.0))
def test_references_under_preparation_are_given_up_at_once(durations: list[float], cap: float) -> None:
    clock = Clock()
    stop_request = StopRequest(max_seconds=cap, clock=clock)
    deadline = clock() + cap
    fake = FakeRay(clock, durations)
    with pytest.MonkeyPatch.context() as patch:
        for module in (ray_jobs, ray_references):
            patch.setattr(module, "ray", fake)
        train_all = RayReferences(WorkerResources(2, 0.0), stop_request)
        jobs: list[Any] = list(range(len(durations)))
        done: list[Any] = []
        try:
            for job, _ in train_all(jobs, Path("cache")):
                done.append(job)  # one by one: those before the end are kept
            was_stopped = False
        except PreparationStoppedError:
            was_stopped = True
    assert was_stopped == (clock() > deadline)
    # Ray is asked twice a second.
    assert clock() <= max(deadline + 0.5, 1000.0 + 0.5)
    assert sorted([*done, *fake.cancelled]) == jobs
    assert all(durations[job] <= cap + 0.5 for job in done)


@given(
    epochs=st.lists(st.lists(st.floats(0.5, 9.0), min_size=3, max_size=3), min_size=4, max_size=4),
    cap=st.floats(0.0, 30.0),
)
def test_no_trial_begins_an_epoch_after_the_cap(epochs: list[list[float]], cap: float) -> None:
    """One worker that trains trial after trial: what runs over is the epoch that ran when the cap struck."""
    clock = Clock()
    stop_request = StopRequest(max_seconds=cap, clock=clock)
    stopper = StopRequestStopper(stop_request)
    deadline, last_epoch = clock() + cap, 0.0
    for seconds_of_epochs in epochs:
        if stop_request.is_requested:
            break
        for seconds in seconds_of_epochs:
            if stopper("any", {}):
                break
            assert clock() <= deadline
            clock.now += seconds
            last_epoch = seconds
    assert clock() <= deadline + last_epoch
    assert not stop_request.is_at_once


def test_capped_study_keeps_what_it_has_and_goes_on_later(open_table_study: OpenStudy) -> None:
    run = open_table_study(max_concurrent=2)
    clock = Clock()
    capped = StopRequest(max_seconds=60.0, clock=clock)
    run.searcher._stop_request = capped
    run.searcher.suggest("done")
    run.searcher.suggest("under way")
    run.finish("done")
    run.work("under way", EpochFinished(_epoch(1)))
    clock.now += 61.0
    assert capped.is_requested
    assert capped.reason == "the time it was given is over"
    assert run.searcher.suggest("next") == Searcher.FINISHED
    run.searcher.on_trial_complete("under way")
    assert run.states() == {0: TrialState.COMPLETE, 1: TrialState.QUEUED}
    again = open_table_study()
    assert (again.recovery.num_done, again.recovery.num_left) == (1, 5)


def _epoch(epoch: int) -> EpochReport:
    return EpochReport(
        epoch=epoch, num_epochs=3, phase="train", losses={}, metrics={}, learning_rate=0.1, seconds=1.0, flops=5
    )
