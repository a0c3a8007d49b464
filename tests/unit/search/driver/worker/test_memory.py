"""Workers on one GPU get equal parts that Ray can place, keep to them, and say what to lower. The GPU is a stand-in."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch
from hypothesis import given
from hypothesis import strategies as st
from ray import tune

from gatefront.search.driver.ray_backend.cluster import plan_workers
from gatefront.search.driver.ray_backend.reference_tasks import _result
from gatefront.search.driver.references import ReferenceJob
from gatefront.search.driver.worker.memory import keep_to_share
from gatefront.search.driver.worker.messages import TrialFailed, TrialFinished, decode
from gatefront.search.driver.worker.trainable import SPEC, TRIAL_NUMBER, make_trainable
from gatefront.search.errors import ReferenceFailedError
from gatefront.search.results.cost import GPUS_HELD
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.spaces import Architecture, Task
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data import DataSpec
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec

CUDA_ERROR = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.60 GiB of which 1.2 GiB is free. "
    "Of the allocated memory 5.10 GiB is allocated by PyTorch."
)


@given(num_workers=st.integers(1, 64), num_gpus=st.integers(0, 16))
def test_every_worker_finds_a_place(num_workers: int, num_gpus: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "device_count", lambda: num_gpus)
        workers = plan_workers(num_workers)
    share = round(workers.gpus_per_worker * 10_000)
    assert workers.num_workers == num_workers
    if num_gpus == 0:
        assert share == 0
        return
    assert share / 10_000 == workers.gpus_per_worker, "Ray would round it"
    on_one_gpu = 10_000 // share
    assert on_one_gpu * num_gpus >= num_workers
    assert (on_one_gpu - 1) * num_gpus < num_workers, "with larger shares they would find a place, too"


@pytest.fixture
def fractions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What torch was told that this process may have of a GPU of 8 GiB."""
    told: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (0, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", told.append)
    return told


@pytest.mark.parametrize("num_workers", [2, 4, 8, 16])
def test_all_shares_and_contexts_fit_into_the_gpu(fractions: list[float], num_workers: int) -> None:
    keep_to_share(1 / num_workers)
    (fraction,) = fractions
    assert 0 < fraction < 1 / num_workers
    if num_workers <= 4:
        assert num_workers * (fraction * 8 + 0.5) <= 8, "in GiB"


@pytest.mark.parametrize("gpus", [0.0, 1.0])
def test_a_whole_gpu_or_none_is_not_capped(fractions: list[float], gpus: float) -> None:
    keep_to_share(gpus)
    assert fractions == []


def test_a_result_says_what_share_its_worker_held(
    fractions: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_trial: Any
) -> None:
    message = _run(lambda *_, **__: make_trial(), tmp_path, monkeypatch, gpus=0.5)
    assert isinstance(message, TrialFinished)
    assert message.result.environment == {"torch": "2.13.0", GPUS_HELD: "0.5"}
    assert len(fractions) == 1


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (torch.OutOfMemoryError(CUDA_ERROR), "CUDA out of memory. Tried to allocate 2.00 GiB"),
        (MemoryError(), "MemoryError"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "DefaultCPUAllocator"),
    ],
)
def test_failed_allocation_says_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, what: str
) -> None:
    message = _run(_raising(error), tmp_path, monkeypatch)
    assert isinstance(message, TrialFailed)
    assert message.is_deterministic
    assert what in message.cause
    for setting in ("train.batch_size (here 48)", "network.width (here 0.5)", "checkpoint_activations", "workers"):
        assert setting in message.cause
    assert len(message.cause) < 400


def test_other_errors_are_no_matter_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = _run(_raising(RuntimeError("shape mismatch")), tmp_path, monkeypatch)
    assert message == TrialFailed("RuntimeError: shape mismatch")


def test_reference_without_memory_says_what_to_lower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ReferenceJob(
        purpose="single_task",
        architecture=_spec().architecture,
        task_name="left",
        data=DataSpec(name="digits"),
        train=TrainConfig(epochs=1, batch_size=48),
        is_baseline=True,
    )
    cause = torch.OutOfMemoryError(CUDA_ERROR)
    failed = ray.exceptions.RayTaskError("train_job", "traceback", cause)  # type: ignore[no-untyped-call]

    def get(_: object) -> None:
        raise failed

    monkeypatch.setattr(ray, "get", get)
    with pytest.raises(
        ReferenceFailedError, match=r"single_task / left failed: memory ran out .* train.batch_size \(here 48\)"
    ):
        _result(job, SimpleNamespace(), tmp_path)  # type: ignore[arg-type]


def _spec() -> TrialSpec:
    tasks = tuple(Task(name=name, kind="classification", num_outputs=10) for name in ("left", "right"))
    return TrialSpec(
        architecture=Architecture(backbone="smallconv", tasks=tasks, in_channels=1, input_size=(28, 28), width=0.5),
        data=DataSpec(name="digits"),
        train=TrainConfig(epochs=1, batch_size=48),
        gates=GateConfig(tau=(0.2, 0.2), lambda_s=1.0),
        budgets=Budgets(),
        single_task={task.name: TrainedReference(metrics={task.name: 50.0}, path="x") for task in tasks},
    )


def _raising(error: Exception) -> Any:
    def run(*_: object, **__: object) -> None:
        raise error

    return run


def _run(run_trial: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, *, gpus: float = 0.0) -> Any:
    """The last message of a worker that runs one trial."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tune, "report", sent.append)
    train = make_trainable(run_trial, StudyFolders(folder, "memory"), gpus=gpus)
    train({TRIAL_NUMBER: 0, SPEC: json.dumps(_spec().to_document())})
    return decode(sent[-1])
