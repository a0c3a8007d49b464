"""A worker times what it trained: the pruned network of the trial and of every point derived from it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import tune

from gatefront.search.bundle.runners import Action
from gatefront.search.config.latency import LatencyRule
from gatefront.search.driver.worker import latency as worker_latency
from gatefront.search.driver.worker.latency import measure_file, measure_result
from gatefront.search.driver.worker.messages import EpochFinished, Message, TrialFailed, TrialFinished, decode
from gatefront.search.driver.worker.trainable import SPEC, TRIAL_NUMBER, make_trainable
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.reporting import TrialResult
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec

# One trained trial for all tests.
pytestmark = pytest.mark.xdist_group("worker-latency")

DATA = DataSpec(name="digits", options={"train_size": 64, "val_size": 32})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> StudyFolders:
    return StudyFolders(tmp_path_factory.mktemp("storage"), "digits")


@pytest.fixture(scope="module")
def spec(folders: StudyFolders) -> TrialSpec:
    """One epoch of each phase on 64 images, and a point derived without training."""
    torch.set_num_threads(1)
    data = load_data(DATA, folders.cache)
    train = TrainConfig(epochs=1, batch_size=32, device="cpu")
    architecture = Architecture(
        backbone="smallconv",
        tasks=data.description.tasks,
        in_channels=data.description.in_channels,
        input_size=data.description.input_size,
        stem="small",
        width=0.25,
    )
    single = {
        task.name: TrainedReference.from_result(
            train_reference("single_task", architecture, task.name, data, train, cache_dir=folders.cache)
        )
        for task in architecture.tasks
    }
    gates = GateConfig(tau=(0.5,) * 3, lambda_s=1.0, finetune_epochs=0, derived_points=1, derived_epochs=0)
    return TrialSpec(
        architecture=architecture, data=DATA, train=train, gates=gates, budgets=Budgets(), single_task=single
    )


def work(spec: TrialSpec, folders: StudyFolders, number: int, rule: LatencyRule | None) -> list[Message | None]:
    """What the worker sends of one trial, without Ray."""
    sent: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tune, "report", sent.append)
        make_trainable(run_trial, folders, rule)({TRIAL_NUMBER: number, SPEC: json.dumps(spec.to_document())})
    return [decode(one) for one in sent]


@pytest.fixture(scope="module")
def finished(spec: TrialSpec, folders: StudyFolders) -> TrialResult:
    """Of a worker that times nothing."""
    *_, last = work(spec, folders, 0, None)
    assert isinstance(last, TrialFinished), last
    return last.result


def test_without_the_table_nothing_is_timed(finished: TrialResult) -> None:
    assert finished.latency_ms is None
    assert [point.latency_ms for point in finished.derived] == [None]


def test_the_worker_times_every_network_it_delivers(spec: TrialSpec, folders: StudyFolders) -> None:
    *epochs, last = work(spec, folders, 1, LatencyRule(runtime="onnx"))
    assert any(isinstance(message, EpochFinished) for message in epochs)
    assert isinstance(last, TrialFinished), last
    networks = (last.result, *last.result.derived)
    assert len(networks) == 2
    for network in networks:
        # A quarter-wide network on 12x14 px: microseconds to milliseconds, also on a busy machine.
        assert network.latency_ms is not None
        assert 0 < network.latency_ms < 1000


@pytest.mark.parametrize(
    "rule", [LatencyRule(runtime="eager", batch=3), LatencyRule(runtime="eager", precision="bf16")], ids=str
)
def test_torch_times_other_batches_and_precisions(finished: TrialResult, rule: LatencyRule) -> None:
    measured = measure_result(finished, rule)
    for before, network in zip((finished, *finished.derived), (measured, *measured.derived), strict=True):
        assert network.latency_ms is not None
        assert network.latency_ms > 0
        assert network.seconds > before.seconds  # the worker's time, as training is
        assert network.network_path == before.network_path


def test_threads_are_those_of_the_rule_while_it_measures_and_no_longer(
    finished: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def time_once(actions: dict[str, Action], repeats: int) -> dict[str, list[float]]:
        seen.append(torch.get_num_threads())
        return {name: [0.003, 0.001, 0.002] for name in actions}

    monkeypatch.setattr(worker_latency, "time_in_turn", time_once)
    before = torch.get_num_threads()
    path = Path(finished.network_path)
    assert measure_file(path, LatencyRule(runtime="eager", threads=before + 1)) == pytest.approx(2.0)  # the median
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_what_cannot_be_measured_fails_the_trial_with_its_cause(
    spec: TrialSpec, folders: StudyFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    *_, last = work(spec, folders, 2, LatencyRule(runtime="compiled"))
    assert isinstance(last, TrialFailed)
    assert "no-such-compiler" in last.cause
