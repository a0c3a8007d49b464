"""Teachers of a trial: the references it is measured against, for every family, with their cost."""

import dataclasses
import json
from pathlib import Path

import pytest

from gatefront.spaces.graph.flop_counter import count_flops
from gatefront.spaces.networks.shared_network import build_shared_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointError
from gatefront.trainer.config import DistillationConfig, TrainConfigError
from gatefront.trainer.data import load_data
from gatefront.trainer.reporting import TrialResult
from gatefront.trainer.trial.family_config import FamilyChoice
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrialSpec
from gatefront.trainer.trial.teachers import find_teachers

# The trial's references are trained once for all tests.
pytestmark = pytest.mark.xdist_group("trial")

HALF = DistillationConfig(weight=0.5)


def run(spec: TrialSpec, folder: Path, cache_dir: Path) -> TrialResult:
    return run_trial(spec, work_dir=folder, cache_dir=cache_dir, reporter=lambda _: None)


def teacher_flops(spec: TrialSpec) -> int:
    networks = (build_shared_network(spec.architecture, [name]) for name in spec.architecture.task_names)
    return sum(count_flops(network, (1, 12, 14)) for network in networks)


@pytest.mark.parametrize("family", [None, FamilyChoice(name="hard-sharing")])
def test_every_family_is_distilled_at_the_cost_of_one_pass(
    family: FamilyChoice | None, spec: TrialSpec, cache_dir: Path, tmp_path: Path
) -> None:
    plain = dataclasses.replace(spec, family=family, train=dataclasses.replace(spec.train, epochs=1))
    if family is not None:
        plain = dataclasses.replace(plain, budgets=dataclasses.replace(plain.budgets, flops=None))
    taught = dataclasses.replace(plain, distillation=HALF)
    taught = TrialSpec.from_document(json.loads(json.dumps(taught.to_document())))
    before, after = run(plain, tmp_path / "plain", cache_dir), run(taught, tmp_path / "taught", cache_dir)
    assert after.metrics != before.metrics
    if before.gate_map == after.gate_map:
        assert after.train_flops == pytest.approx(before.train_flops + 640 * teacher_flops(spec), rel=1e-9)
    else:
        assert after.train_flops > before.train_flops


def test_phases_are_those_asked_for(spec: TrialSpec, cache_dir: Path) -> None:
    data = load_data(spec.data, cache_dir)
    config = dataclasses.replace(HALF, temperature=3.0, phases=("weights",))
    teachers = find_teachers(config, spec.single_task, data, spec.train, cache_dir=cache_dir)
    found = teachers.distillation("weights")
    assert found is not None
    assert (found.weight, found.temperature) == (0.5, 3.0)
    assert teachers.distillation("gates") is None


@pytest.mark.parametrize("config", [None, DistillationConfig(weight=0.0)])
def test_nothing_is_loaded_without_distillation(
    config: DistillationConfig | None, spec: TrialSpec, cache_dir: Path
) -> None:
    data = load_data(spec.data, cache_dir)
    teachers = find_teachers(config, {}, data, spec.train, cache_dir=cache_dir)
    assert teachers.distillation("weights") is None
    assert teachers.first_cost == 0


def test_reference_that_has_not_learned_does_not_teach(spec: TrialSpec, cache_dir: Path) -> None:
    data = load_data(spec.data, cache_dir)
    some = dict(spec.single_task)
    some["left"] = dataclasses.replace(some["left"], has_learned=False)
    teachers = find_teachers(HALF, some, data, spec.train, cache_dir=cache_dir)
    assert teachers.first_cost == pytest.approx(640 * teacher_flops(spec) * 2 / 3, rel=0.1)
    none = {name: dataclasses.replace(one, has_learned=False) for name, one in some.items()}
    with pytest.raises(TrainConfigError, match=r"Cannot distill: .*found 0 of 3"):
        find_teachers(HALF, none, data, spec.train, cache_dir=cache_dir)
    with pytest.raises(TrainConfigError, match=r"found 0 of 0"):
        find_teachers(HALF, {}, data, spec.train, cache_dir=cache_dir)


def test_lost_record_of_a_reference_is_named(spec: TrialSpec, cache_dir: Path, tmp_path: Path) -> None:
    moved = tmp_path / "weights.pt"
    moved.write_bytes(Path(spec.single_task["left"].path).read_bytes())
    references = {"left": dataclasses.replace(spec.single_task["left"], path=str(moved))}
    with pytest.raises(CheckpointError, match=r"reference\.json is missing"):
        find_teachers(HALF, references, load_data(spec.data, cache_dir), spec.train, cache_dir=cache_dir)


def test_trials_without_distillation_keep_their_keys(spec: TrialSpec) -> None:
    assert "distillation" not in spec.to_document()
    assert dataclasses.replace(spec, distillation=HALF).key("data") != spec.key("data")
