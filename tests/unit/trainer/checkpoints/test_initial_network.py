"""A trial may go on from a trained gated network; which one is part of what names the trial, where it lies is not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gatefront.spaces.families import build_family
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.networks.interrogate import InterroGateNetwork, build_gated_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, save_network
from gatefront.trainer.checkpoints.initial_network import InitialNetwork, load_initial_family, start_from
from gatefront.trainer.checkpoints.network_file import save_family
from gatefront.trainer.reporting import EpochReport
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrialSpec

# One trained set of references for all tests.
pytestmark = pytest.mark.xdist_group("trial")


@pytest.fixture
def trained(spec: TrialSpec) -> InterroGateNetwork:
    """A network with weights of its own, frozen at gates that differ from channel to channel."""
    network = build_gated_network(spec.architecture)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter))
    network.freeze_gates()
    return network


@pytest.fixture
def initial(trained: InterroGateNetwork, tmp_path: Path) -> InitialNetwork:
    save_network(trained, tmp_path / "network.pt")
    return InitialNetwork(label="digits 7.1", path=str(tmp_path / "network.pt"))


def test_weights_and_gates_are_taken_over_and_gates_go_on_learning(
    spec: TrialSpec, trained: InterroGateNetwork, initial: InitialNetwork
) -> None:
    network = build_gated_network(spec.architecture)
    start_from(network, initial)
    assert network.gate_map() == trained.gate_map()
    state = network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in trained.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.gate_parameters())


def test_another_layout_or_architecture_is_refused(spec: TrialSpec, initial: InitialNetwork) -> None:
    with pytest.raises(CheckpointError, match=r"digits 7\.1 has another layout of gates"):
        start_from(build_gated_network(spec.architecture, GateLayout(granularity="block")), initial)
    with pytest.raises(CheckpointError, match=r"digits 7\.1 has another architecture"):
        start_from(build_gated_network(replace(spec.architecture, width=0.5)), initial)


def test_weights_of_tasks_are_the_trials_own(
    spec: TrialSpec, trained: InterroGateNetwork, initial: InitialNetwork
) -> None:
    tasks = (replace(spec.architecture.tasks[0], weight=3.0), *spec.architecture.tasks[1:])
    network = build_gated_network(replace(spec.architecture, tasks=tasks))
    start_from(network, initial)
    assert network.gate_map() == trained.gate_map()
    assert [task.weight for task in network.architecture.tasks] == [3.0, 1.0, 1.0]


def test_weights_of_tasks_are_the_trials_own_in_every_family(spec: TrialSpec, tmp_path: Path) -> None:
    save_family("hard-sharing", build_family("hard-sharing", spec.architecture, {}), tmp_path / "family.pt")
    tasks = (replace(spec.architecture.tasks[0], weight=3.0), *spec.architecture.tasks[1:])
    weighted = replace(spec.architecture, tasks=tasks)
    known = InitialNetwork(label="digits 3", path=str(tmp_path / "family.pt"))
    assert load_initial_family(known, "hard-sharing", weighted, {}).architecture == weighted


def test_the_trial_begins_with_it(spec: TrialSpec, initial: InitialNetwork, cache_dir: Path, tmp_path: Path) -> None:
    missing = replace(spec, initial=replace(initial, path=str(tmp_path / "gone.pt")))
    with pytest.raises(CheckpointError, match=r"gone\.pt does not exist"):
        run_trial(missing, work_dir=tmp_path / "a", cache_dir=cache_dir, reporter=_ignore)
    work_dir = tmp_path / "b"
    work_dir.mkdir()
    short = replace(spec, initial=initial, train=replace(spec.train, epochs=1))
    result = run_trial(short, work_dir=work_dir, cache_dir=cache_dir, reporter=_ignore)
    assert result.flops <= (spec.budgets.flops or 0)
    assert result.gate_map.tasks == spec.architecture.task_names


def test_its_name_is_part_of_the_trial_and_its_place_is_not(spec: TrialSpec, initial: InitialNetwork) -> None:
    keys = {
        "none": spec.key("data"),
        "one": replace(spec, initial=initial).key("data"),
        "moved": replace(spec, initial=replace(initial, path="/elsewhere")).key("data"),
        "another": replace(spec, initial=replace(initial, label="digits 8")).key("data"),
    }
    assert keys["one"] == keys["moved"]
    assert len(set(keys.values())) == 3


@pytest.mark.parametrize("with_initial", [True, False])
def test_it_travels_to_the_worker(spec: TrialSpec, initial: InitialNetwork, with_initial: bool) -> None:
    sent = replace(spec, initial=initial) if with_initial else spec
    assert TrialSpec.from_document(sent.to_document()) == sent
    # A driver of an earlier release does not know it.
    document = spec.to_document()
    del document["initial"]
    assert TrialSpec.from_document(document) == spec


def _ignore(report: EpochReport, /) -> None:
    """Nobody watches."""
