"""Trials that aim at a cost, and the further points that one trial yields."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from gatefront.spaces.errors import BudgetBelowFloorError
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.spaces.graph.flop_counter import count_flops
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.spaces.pruning.prune import prune_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, load_network
from gatefront.trainer.config import GateConfig
from gatefront.trainer.reporting import EpochReport, StopTraining, TrialResult
from gatefront.trainer.trial.gated.derived_points import derived_targets
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrialSpec, TrialSpecError

pytestmark = pytest.mark.xdist_group("derived points")


class Stopper:
    """Collects reports; stops the trial after one of its epochs."""

    def __init__(self, after: int | None = None) -> None:
        self.after = after
        self.reports: list[EpochReport] = []

    def __call__(self, report: EpochReport, /) -> None:
        self.reports.append(report)
        if report.epoch == self.after:
            raise StopTraining


@pytest.fixture(scope="module")
def aimed(spec: TrialSpec) -> TrialSpec:
    """Three epochs towards 45 % of the single-task cost, one more behind the cut, two derived points of one epoch."""
    gates = GateConfig(
        tau=(1.0, 1.0, 1.0),
        lambda_s=10.0,
        finetune_epochs=1,
        sparsity="expected_flops",
        derived_points=2,
        derived_epochs=1,
    )
    single_task = build_gated_network(spec.architecture).cost.single_task
    return dataclasses.replace(spec, gates=gates, flop_target=int(0.45 * single_task))


@pytest.fixture(scope="module")
def finished(
    aimed: TrialSpec, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrialResult, list[EpochReport]]:
    recorder = Stopper()
    result = run_trial(aimed, work_dir=tmp_path_factory.mktemp("aimed"), cache_dir=cache_dir, reporter=recorder)
    return result, recorder.reports


Finished = tuple[TrialResult, list[EpochReport]]


def _open_gates(gate_map: GateMap) -> list[str]:
    return [row for site in gate_map.sites for row in site.own]


def test_gates_end_at_the_target_and_the_network_keeps_it(aimed: TrialSpec, finished: Finished) -> None:
    result, _ = finished
    assert aimed.flop_target is not None
    assert 0.97 * aimed.flop_target <= result.flops_before_cut <= 1.03 * aimed.flop_target
    assert 0.98 * aimed.flop_target <= result.flops <= aimed.flop_target
    assert result.flop_target == aimed.flop_target


def test_derived_points_are_smaller_and_nested(aimed: TrialSpec, finished: Finished) -> None:
    result, _ = finished
    floor = build_gated_network(aimed.architecture).cost.floor
    assert [point.index for point in result.derived] == [1, 2]
    assert [point.flop_target for point in result.derived] == list(derived_targets(floor, result.flops, 2))
    larger = _open_gates(result.gate_map)
    for point in result.derived:
        assert 0.98 * point.flop_target <= point.flops <= point.flop_target
        smaller = _open_gates(point.gate_map)
        assert smaller != larger
        for few, many in zip(smaller, larger, strict=True):
            assert all(a <= b for a, b in zip(few, many, strict=True))
        larger = smaller


def test_every_derived_point_has_its_network_and_its_numbers(aimed: TrialSpec, finished: Finished) -> None:
    result, reports = finished
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5, 6]
    assert [report.phase for report in reports] == ["train"] * 3 + ["finetune"] + ["derive"] * 2
    assert [report.flops for report in reports[4:]] == [point.flops for point in result.derived]
    for point, report in zip(result.derived, reports[4:], strict=True):
        network = load_network(Path(point.network_path))
        assert network.gate_map() == point.gate_map
        assert count_flops(prune_network(network), (1, 12, 14)) == point.flops
        # Folding norms rounds differently, so a borderline image or two may change sides.
        assert point.metrics == pytest.approx(dict(report.metrics), abs=1.0)
        assert point.delta_mtl == pytest.approx(sum(point.delta_per_task.values()) / 3)
        assert point.train_flops == 3 * 640 * point.flops
    assert result.derived[0].network_path != result.derived[1].network_path != result.network_path


@pytest.mark.parametrize("stop", [2, 5, 6])
def test_interrupted_trial_ends_the_same(
    aimed: TrialSpec, cache_dir: Path, finished: Finished, tmp_path: Path, stop: int
) -> None:
    result, _ = finished
    with pytest.raises(StopTraining):
        run_trial(aimed, work_dir=tmp_path, cache_dir=cache_dir, reporter=Stopper(stop))
    torch.manual_seed(stop)
    received = TrialSpec.from_document(json.loads(json.dumps(aimed.to_document())))
    again = run_trial(received, work_dir=tmp_path, cache_dir=cache_dir, reporter=Stopper())
    assert (again.metrics, again.gate_map, again.flops) == (result.metrics, result.gate_map, result.flops)
    for found, expected in zip(again.derived, result.derived, strict=True):
        assert (found.metrics, found.gate_map, found.flops) == (expected.metrics, expected.gate_map, expected.flops)


def test_finished_derived_points_are_not_trained_again(aimed: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    first = run_trial(aimed, work_dir=tmp_path, cache_dir=cache_dir, reporter=Stopper())
    recorder = Stopper()
    again = run_trial(aimed, work_dir=tmp_path, cache_dir=cache_dir, reporter=recorder)
    assert recorder.reports == []
    assert again.derived == first.derived
    record = tmp_path / "derived-1.json"
    record.write_text(record.read_text().replace('"key": "', '"key": "x'))
    with pytest.raises(CheckpointError, match="belongs to another run"):
        run_trial(aimed, work_dir=tmp_path, cache_dir=cache_dir, reporter=Stopper())


def test_sensitivity_without_epochs_behind_a_cut(aimed: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    """No epoch behind a cut: norms are measured anew, and the target holds all the same."""
    gates = dataclasses.replace(aimed.gates, importance="sensitivity", finetune_epochs=0, derived_epochs=0)
    recorder = Stopper()
    result = run_trial(
        dataclasses.replace(aimed, gates=gates), work_dir=tmp_path, cache_dir=cache_dir, reporter=recorder
    )
    assert [report.phase for report in recorder.reports] == ["train"] * 3
    assert aimed.flop_target is not None
    assert 0.98 * aimed.flop_target <= result.flops <= aimed.flop_target
    assert len(result.derived) == 2
    assert [point.train_flops for point in result.derived] == [0, 0]


@pytest.mark.parametrize(("floor", "flops", "count"), [(10, 100, 3), (10, 11, 3), (0, 7, 6), (10, 100, 0)])
def test_derived_targets_lie_between_and_fall(floor: int, flops: int, count: int) -> None:
    targets = list(derived_targets(floor, flops, count))
    assert len(targets) == count
    assert targets == sorted(targets, reverse=True)
    assert all(floor <= target < flops for target in targets)


def test_nothing_is_derived_from_shut_gates() -> None:
    assert list(derived_targets(10, 10, 3)) == []


def test_target_is_checked_where_the_spec_is_made(aimed: TrialSpec) -> None:
    with pytest.raises(TrialSpecError, match="needs a flop_target"):
        dataclasses.replace(aimed, flop_target=None)
    with pytest.raises(TrialSpecError, match="flop_target must be at most the flop_budget"):
        dataclasses.replace(aimed, flop_target=(aimed.budgets.flops or 0) + 1)


def test_parameters_are_capped_too(aimed: TrialSpec, cache_dir: Path, tmp_path: Path, finished: Finished) -> None:
    result, _ = finished
    cap = int(0.9 * result.num_parameters)
    capped = dataclasses.replace(aimed, budgets=dataclasses.replace(aimed.budgets, params=cap))
    found = run_trial(capped, work_dir=tmp_path, cache_dir=cache_dir, reporter=Stopper())
    assert aimed.flop_target is not None
    assert 0.95 * cap <= found.num_parameters <= cap
    assert found.flops < aimed.flop_target
    assert all(point.num_parameters < found.num_parameters for point in found.derived)
    with pytest.raises(BudgetBelowFloorError, match="param_budget = 10"):
        run_trial(
            dataclasses.replace(aimed, budgets=dataclasses.replace(aimed.budgets, params=10)),
            work_dir=tmp_path / "impossible",
            cache_dir=cache_dir,
            reporter=Stopper(),
        )
