"""A full disk under a driver: wherever it strikes, the study is STOPPED and says why, and a resume goes on."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray import tune

from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.driver import run_study as runner
from gatefront.search.driver import start_and_resume as service
from gatefront.search.driver.ray_backend import reference_tasks as ray_references
from gatefront.search.driver.ray_backend.reference_tasks import RayReferences
from gatefront.search.driver.start_and_resume import DriverSession, resume_study, start_study
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.messages import AttemptStarted, TrialFinished, encode
from gatefront.search.errors import DriverFailedError
from gatefront.search.planning.worker_resources import WorkerResources
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.study_store import StudyStore
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.trainer.checkpoints.disk_full import DiskFullError

STUDY = """
[study]
name = "digits"
trials = 3
workers = 2
sampler = "random"
confirm_points = 0
[data]
name = "digits"
options = {train_size = 16, val_size = 16}
[network]
stem = "small"
[train]
epochs = 1
[gates]
lambda_s = {low = 0.3, high = 3.0}
"""


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def error_in_callback() -> tune.TuneError:
    """As Ray Tune tells it: the text of a traceback, raised while the error was handled."""
    error = tune.TuneError("Traceback ...\nOSError: [Errno 28] No space left on device")
    error.__context__ = full()
    return error


class FakeTuner:
    """Ray Tune with two workers; ``error`` strikes while both train."""

    def __init__(self, searcher: Any, make_result: Callable[..., Any], error: Exception | None) -> None:
        self._searcher = searcher
        self._make_result = make_result
        self._error = error

    def fit(self) -> None:
        handed_out = 0
        while True:
            ray_ids = [f"ray{handed_out + at}" for at in range(2)]
            configs = {ray_id: self._searcher.suggest(ray_id) for ray_id in ray_ids}
            running = [ray_id for ray_id, config in configs.items() if isinstance(config, dict)]
            if not running:
                return
            handed_out += len(running)
            for ray_id in running:
                self._searcher.on_trial_result(ray_id, encode(AttemptStarted("host/ns/1/2")))
            if self._error is not None:
                raise self._error
            for ray_id in running:
                values = dict.fromkeys(("left", "right", "orientation"), 1.0)
                gates = GateMap(tasks=tuple(values), sites=())
                result = self._make_result(flop_budget=None, gate_map=gates, metrics=values, delta_per_task=values)
                self._searcher.on_trial_complete(ray_id, encode(TrialFinished(result)))


@pytest.fixture
def ray_is_played(
    monkeypatch: pytest.MonkeyPatch, make_trial: Callable[..., Any]
) -> Callable[[Exception | None], None]:
    @contextmanager
    def cluster(*_: object) -> Iterator[None]:
        yield

    spec = SimpleNamespace(num_epochs=1, to_document=dict)
    references = SimpleNamespace(trial_spec=lambda *_, **__: spec)
    monkeypatch.setattr(runner, "cluster", cluster)
    monkeypatch.setattr(runner, "prepare_references", lambda *_: references)

    def play(error: Exception | None) -> None:
        monkeypatch.setattr(
            runner, "_tuner", lambda _run, _work, searcher, _name: FakeTuner(searcher, make_trial, error)
        )

    play(None)
    return play


def assert_waits_for_room(url: str) -> None:
    view = StudyReader(url).view("digits")
    assert view.summary.state is StudyState.STOPPED
    assert "disk" in view.summary.message
    assert {point.state for point in view.points} <= {TrialState.QUEUED}
    assert StudyStore(open_engine(url), "digits").load().driver is None


@pytest.mark.parametrize("error", [full(), error_in_callback()], ids=["a folder of Ray's", "in a callback"])
def test_while_trials_train(
    tmp_path: Path, ray_is_played: Callable[[Exception | None], None], error: Exception
) -> None:
    url = f"sqlite:///{tmp_path}/gatefront.db"
    ray_is_played(error)
    assert (
        start_study(STUDY, StudyOverrides(), tmp_path / "runs", DriverSession(url=url, stop_request=StopRequest()))
        is StudyState.STOPPED
    )
    assert_waits_for_room(url)
    ray_is_played(None)
    assert resume_study("digits", DriverSession(url=url, stop_request=StopRequest())) is StudyState.COMPLETE
    assert [point.state for point in StudyReader(url).view("digits").points] == [TrialState.COMPLETE] * 3


def test_an_error_of_another_kind_leaves_no_trial_running(
    tmp_path: Path, ray_is_played: Callable[[Exception | None], None]
) -> None:
    url = f"sqlite:///{tmp_path}/gatefront.db"
    ray_is_played(tune.TuneError("no callback of ours"))
    with pytest.raises(DriverFailedError, match="no callback of ours"):
        start_study(STUDY, StudyOverrides(), tmp_path / "runs", DriverSession(url=url, stop_request=StopRequest()))
    view = StudyReader(url).view("digits")
    assert view.summary.state is StudyState.FAILED
    assert {point.state for point in view.points} <= {TrialState.QUEUED}
    ray_is_played(None)
    assert resume_study("digits", DriverSession(url=url, stop_request=StopRequest())) is StudyState.COMPLETE


def test_before_there_are_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_is_played: Callable[[Exception | None], None]
) -> None:
    url = f"sqlite:///{tmp_path}/gatefront.db"
    stop_request = StopRequest()
    stop_request.request("`gatefront stop` was called")
    assert (
        start_study(STUDY, StudyOverrides(), tmp_path / "runs", DriverSession(url=url, stop_request=stop_request))
        is StudyState.STOPPED
    )
    for module, name, error in (
        (service, "load_data", DiskFullError("the disk of /data is full.")),
        (runner, "cluster", full()),
        (runner, "prepare_references", full()),
    ):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            with pytest.raises(DiskFullError, match="disk"):
                resume_study("digits", DriverSession(url=url, stop_request=StopRequest()))
        assert_waits_for_room(url)
    assert resume_study("digits", DriverSession(url=url, stop_request=StopRequest())) is StudyState.COMPLETE


@pytest.mark.parametrize("cause", [full(), DiskFullError("the disk of /data is full.")], ids=["plain", "told"])
def test_under_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: Exception) -> None:
    def get(_reference: object) -> None:
        raise ray.exceptions.RayTaskError("train", "Traceback ...", cause)

    def run_jobs(*_: object) -> Iterator[tuple[Any, Any]]:
        yield SimpleNamespace(role="left"), "reference"
        pytest.fail("no other reference fits either")

    monkeypatch.setattr(ray_references, "run_jobs", run_jobs)
    monkeypatch.setattr(ray_references.ray, "get", get)
    stop_request = StopRequest()
    with pytest.raises(ray_references.PreparationStoppedError):
        list(RayReferences(WorkerResources(2, 0.0), stop_request)([], tmp_path))
    assert "disk" in stop_request.reason
    assert not stop_request.is_at_once
