"""A whole trial on a small `digits`: under budget, resumable, and honest about what the pruned network does."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.errors import BudgetBelowFloorError
from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.graph.flop_counter import count_flops
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.spaces.pruning.prune import prune_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, load_network
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.loop.best_epoch import TOLERANCE
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.validation_score import validation_score
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.reporting import EpochReport, StopTraining, TrialResult
from gatefront.trainer.trial.gated.gate_training import SPARSITY
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec, TrialSpecError

# One trained trial for all tests.
pytestmark = pytest.mark.xdist_group("trial")

DATA = DataSpec(name="digits", options={"train_size": 640, "val_size": 200})
CONFIG = TrainConfig(epochs=3, batch_size=32, device="cpu")


class Recorder:
    def __init__(self, stop_after: int | None = None) -> None:
        self.reports: list[EpochReport] = []
        self._stop_after = stop_after

    def __call__(self, report: EpochReport, /) -> None:
        self.reports.append(report)
        if report.epoch == self._stop_after:
            raise StopTraining


@pytest.fixture(scope="module")
def finished(
    spec: TrialSpec, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrialResult, list[EpochReport]]:
    recorder = Recorder()
    result = run_trial(spec, work_dir=tmp_path_factory.mktemp("trial"), cache_dir=cache_dir, reporter=recorder)
    return result, recorder.reports


Finished = tuple[TrialResult, list[EpochReport]]


def comparable(result: TrialResult) -> Mapping[str, object]:
    return {
        name: getattr(result, name)
        for name in TrialResult.__slots__
        if name not in ("seconds", "peak_memory_mib", "network_path")
    }


def test_every_epoch_is_reported(spec: TrialSpec, finished: Finished) -> None:
    _result, reports = finished
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5]
    assert [report.phase for report in reports] == ["train"] * 3 + ["finetune"] * 2
    assert {report.num_epochs for report in reports} == {5}
    assert all(SPARSITY in report.losses for report in reports[:3])
    assert not any(SPARSITY in report.losses for report in reports[3:])
    for report in reports:
        assert report.delta_mtl == delta_mtl(spec.architecture.tasks, report.metrics, spec.single_task_metrics()).mean
    assert reports[3].learning_rate < CONFIG.learning_rate


def test_result_keeps_the_budget(spec: TrialSpec, finished: Finished) -> None:
    result, reports = finished
    assert spec.budgets.flops is not None
    assert result.flops <= spec.budgets.flops < result.flops_before_cut
    assert reports[2].flops == result.flops_before_cut
    assert reports[3].flops == reports[4].flops == result.flops
    assert result.flop_budget == spec.budgets.flops


def test_result_is_of_the_pruned_network_on_disk(spec: TrialSpec, cache_dir: Path, finished: Finished) -> None:
    result, reports = finished
    network = load_network(Path(result.network_path))
    assert network.gate_map() == result.gate_map
    pruned = prune_network(network)
    assert count_flops(pruned, (1, 12, 14)) == result.flops
    data = load_data(DATA, cache_dir)
    runtime = resolve_runtime(CONFIG)
    metrics = evaluate(pruned, data.val, spec.architecture.tasks, runtime=runtime, batch_size=50).metrics
    assert metrics == pytest.approx(dict(result.metrics))
    # Folding norms rounds differently, so a borderline image or two may change sides.
    scores = [validation_score(spec.architecture.tasks, report.metrics) for report in reports[3:]]
    kept = [report for report, score in zip(reports[3:], scores, strict=True) if score >= max(scores) - TOLERANCE][-1]
    assert metrics == pytest.approx(dict(kept.metrics), abs=1.0)
    assert result.delta_mtl == delta_mtl(spec.architecture.tasks, result.metrics, spec.single_task_metrics()).mean


def test_gates_are_reported_with_every_epoch_until_those_that_are_delivered(finished: Finished) -> None:
    result, reports = finished
    assert result.gate_map is not None
    final = GateCounts.of(result.gate_map)
    assert [report.gates for report in reports[3:]] == [final, final]
    # What the gates learned last was over the budget and was cut: nothing opens, something closes.
    last = reports[2].gates
    assert last is not None
    pairs = list(zip(last.sites, final.sites, strict=True))
    closed = [a - b for was, now in pairs for a, b in zip(was.own, now.own, strict=True)]
    assert min(closed) >= 0 < max(closed)
    assert [dataclasses.replace(was, own=now.own) for was, now in pairs] == list(final.sites)


def test_cost_is_accounted(spec: TrialSpec, finished: Finished) -> None:
    result, reports = finished
    learning = count_flops(build_gated_network(spec.architecture), (1, 12, 14))
    # Behind frozen gates only the channels of the pruned network are trained, so only they are paid for.
    assert result.train_flops == 3 * 640 * (3 * learning + 2 * result.flops)
    assert result.seconds == pytest.approx(sum(report.seconds for report in reports))
    assert result.peak_memory_mib > 1
    assert result.environment["torch"] == torch.__version__


@pytest.mark.parametrize("stops", [(1,), (3,), (2, 4), (5,)])
def test_interrupted_trial_ends_the_same(
    spec: TrialSpec, cache_dir: Path, finished: Finished, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    result, reports = finished
    seen: list[EpochReport] = []
    for stop in stops:
        recorder = Recorder(stop)
        with pytest.raises(StopTraining):
            run_trial(spec, work_dir=tmp_path, cache_dir=cache_dir, reporter=recorder)
        seen += recorder.reports
        torch.manual_seed(stop)
    recorder = Recorder()
    # Another worker reads the spec from JSON.
    received = TrialSpec.from_document(json.loads(json.dumps(spec.to_document())))
    again = run_trial(received, work_dir=tmp_path, cache_dir=cache_dir, reporter=recorder)
    seen += recorder.reports
    assert comparable(again) == comparable(result)
    assert [dataclasses.replace(report, seconds=0) for report in seen] == [
        dataclasses.replace(report, seconds=0) for report in reports
    ]
    assert again.seconds == pytest.approx(sum(report.seconds for report in seen))


def test_without_budget_nothing_is_cut(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    gates = GateConfig(tau=(1.0, 1.0, 1.0), lambda_s=0.0, finetune_epochs=0)
    free = dataclasses.replace(
        spec, budgets=Budgets(flops=None), gates=gates, train=dataclasses.replace(CONFIG, epochs=1)
    )
    recorder = Recorder()
    result = run_trial(free, work_dir=tmp_path, cache_dir=cache_dir, reporter=recorder)
    assert result.flops == result.flops_before_cut
    assert result.flop_budget is None
    # Nothing was projected, so the gates that the last epoch reported are the trial's own.
    assert result.gate_map is not None
    assert recorder.reports[-1].gates == GateCounts.of(result.gate_map)
    assert [report.phase for report in recorder.reports] == ["train"]


def test_half_precision_reaches_every_gate(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    """Autocast mixes formats inside the gated network; nothing may stumble over it, and results stay float32."""
    half = dataclasses.replace(spec, train=dataclasses.replace(CONFIG, epochs=1, precision="bf16"))
    result = run_trial(half, work_dir=tmp_path, cache_dir=cache_dir, reporter=Recorder())
    assert all(
        tensor.dtype != torch.bfloat16 for tensor in load_network(Path(result.network_path)).state_dict().values()
    )
    assert result.metrics["orientation"] > 30


def test_starts_from_the_references(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    """With every gate open and a vanishing rate, the trial is the single-task networks it started from."""
    gates = GateConfig(tau=(1.0, 1.0, 1.0), lambda_s=0.0, learning_rate=1e-12, finetune_epochs=0)
    train = dataclasses.replace(CONFIG, epochs=1, learning_rate=1e-12)
    still = dataclasses.replace(spec, budgets=Budgets(flops=None), gates=gates, train=train)
    result = run_trial(still, work_dir=tmp_path, cache_dir=cache_dir, reporter=Recorder())
    # The norms' running statistics move a little all the same.
    assert result.metrics == pytest.approx(spec.single_task_metrics(), abs=4)
    assert result.flops == build_gated_network(spec.architecture).cost.single_task


def test_impossible_budget_is_refused_before_training(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(BudgetBelowFloorError):
        run_trial(
            dataclasses.replace(spec, budgets=Budgets(flops=1000)),
            work_dir=tmp_path,
            cache_dir=cache_dir,
            reporter=recorder,
        )
    assert recorder.reports == []


def test_another_trials_checkpoint_is_refused(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(StopTraining):
        run_trial(spec, work_dir=tmp_path, cache_dir=cache_dir, reporter=Recorder(1))
    other = dataclasses.replace(spec, train=dataclasses.replace(CONFIG, seed=1))
    with pytest.raises(CheckpointError, match="belongs to another run"):
        run_trial(other, work_dir=tmp_path, cache_dir=cache_dir, reporter=Recorder())


def test_moved_references_and_another_machine_are_the_same_trial(spec: TrialSpec) -> None:
    moved = {name: dataclasses.replace(reference, path="/elsewhere") for name, reference in spec.single_task.items()}
    elsewhere = dataclasses.replace(
        spec, single_task=moved, train=dataclasses.replace(CONFIG, device="auto", num_threads=4)
    )
    assert elsewhere.key("data") == spec.key("data")
    changes: list[Callable[[], TrialSpec]] = [
        lambda: dataclasses.replace(spec, budgets=Budgets(flops=None)),
        lambda: dataclasses.replace(spec, train=dataclasses.replace(CONFIG, epochs=4)),
        lambda: dataclasses.replace(spec, gates=dataclasses.replace(spec.gates, lambda_s=2.0)),
    ]
    assert len({spec.key("data"), spec.key("other data"), *(change().key("data") for change in changes)}) == 5


def test_trial_unlearned_reference_is_left_out_of_delta_mtl(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    """A metric of 0.41 % would make a gain of thousands of percent of any network."""
    poor = dataclasses.replace(spec.single_task["right"], metrics={"right": 0.41}, has_learned=False)
    single = dict(spec.single_task) | {"right": poor}
    one_epoch = dataclasses.replace(CONFIG, epochs=1)
    changed = TrialSpec.from_document(dataclasses.replace(spec, single_task=single, train=one_epoch).to_document())
    recorder = Recorder()
    result = run_trial(changed, work_dir=tmp_path, cache_dir=cache_dir, reporter=recorder)
    assert set(result.metrics) == {"left", "right", "orientation"}
    assert set(result.delta_per_task) == {"left", "orientation"}
    assert result.delta_mtl == pytest.approx(sum(result.delta_per_task.values()) / 2)
    assert all(abs(report.delta_mtl or 0.0) < 100 for report in recorder.reports)


def test_missing_reference_file_is_named(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    lost = dict(spec.single_task) | {"right": TrainedReference(metrics={"right": 50.0}, path=str(tmp_path / "gone.pt"))}
    with pytest.raises(CheckpointError, match=r"gone\.pt does not exist"):
        run_trial(
            dataclasses.replace(spec, single_task=lost), work_dir=tmp_path, cache_dir=cache_dir, reporter=Recorder()
        )


def test_spec_is_checked_where_it_is_made(spec: TrialSpec) -> None:
    with pytest.raises(TrialSpecError, match="2 targets for 3 tasks"):
        dataclasses.replace(spec, gates=dataclasses.replace(spec.gates, tau=(0.5, 0.5)))
    with pytest.raises(TrialSpecError, match="no metric of task left"):
        dataclasses.replace(spec, single_task={})
