"""Dual ascent on the expected FLOPs: signs, memory, and the projection at the end."""

import pytest
import torch

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.networks.interrogate import InterroGateNetwork, build_gated_network
from gatefront.trainer.trial.gated.flop_control import FlopControl, temperature_at

TASKS = tuple(Task(name=name, kind="depth", num_outputs=1) for name in ("a", "b"))
LOSSES = (torch.tensor(3.0), torch.tensor(1.0))


@pytest.fixture
def network() -> InterroGateNetwork:
    torch.manual_seed(0)
    architecture = Architecture(
        backbone="smallconv", tasks=TASKS, in_channels=1, input_size=(16, 16), decoder_width=4, stem="small"
    )
    return build_gated_network(architecture)


def _gradients(network: InterroGateNetwork, control: FlopControl, progress: float) -> list[torch.Tensor]:
    gates = [gate.alpha for gate in network.channel_gates()]
    return list(torch.autograd.grad(control.loss(progress, LOSSES), gates))


@pytest.mark.parametrize(("target", "sign"), [("floor", 1), ("ceiling", -1)])
def test_logits_are_drawn_towards_the_target(network: InterroGateNetwork, target: str, sign: int) -> None:
    """Over the target the penalty closes gates; under it, it opens them."""
    with torch.no_grad():
        for gate in network.channel_gates():
            gate.alpha.zero_()
    control = FlopControl(network, getattr(network.cost, target), rho=1.0, num_steps=100)
    for gradient in _gradients(network, control, 1.0):
        assert bool((sign * gradient >= 0).all())
        assert bool((sign * gradient > 0).any())


def test_task_with_the_larger_loss_is_pressed_harder(network: InterroGateNetwork) -> None:
    """With equal gates, by as much as its loss is larger: what a gate saves is judged relatively."""
    control = FlopControl(network, network.cost.floor, rho=1.0, num_steps=100)
    for large, small in _gradients(network, control, 1.0):
        assert torch.allclose(large, 3 * small)


def test_wanted_cost_sinks_from_the_first_one(network: InterroGateNetwork) -> None:
    """At first nothing is asked: the penalty is 0 at what the gates cost then."""
    control = FlopControl(network, network.cost.floor, rho=1.0, num_steps=100)
    losses = [float(control.loss(progress, LOSSES).detach()) for progress in (0.0, 0.25, 0.5, 0.9)]
    assert losses[0] == 0
    assert losses == sorted(losses)


def test_multiplier_climbs_while_the_cost_is_too_high(network: InterroGateNetwork) -> None:
    control = FlopControl(network, network.cost.floor, rho=2.0, num_steps=100)
    control.loss(0.0, LOSSES)
    for _ in range(3):
        control.loss(0.5, LOSSES)
        before = control.state()["multiplier"]
        control.after_step()
        assert control.state()["multiplier"] > before


def test_memory_goes_on_as_if_it_had_never_stopped(network: InterroGateNetwork) -> None:
    first = FlopControl(network, network.cost.floor, rho=2.0, num_steps=100)
    for progress in (0.0, 0.2, 0.4):
        first.loss(progress, LOSSES)
        first.after_step()
    second = FlopControl(network, network.cost.floor, rho=2.0, num_steps=100)
    second.restore(first.state())
    assert torch.equal(first.loss(0.6, LOSSES), second.loss(0.6, LOSSES))
    first.after_step()
    second.after_step()
    assert first.state() == second.state()


@pytest.mark.parametrize("num_steps", [1, 7, 100])
def test_gates_end_at_the_target(network: InterroGateNetwork, num_steps: int) -> None:
    cost = network.cost
    target = (cost.floor + cost.ceiling) // 2
    with torch.no_grad():
        for gate in network.channel_gates():
            torch.nn.init.normal_(gate.alpha, mean=1.0)
    control = FlopControl(network, target, rho=1.0, num_steps=num_steps)
    for step in range(num_steps):
        control.loss(step / num_steps, LOSSES)
        control.after_step()
    assert 0.95 * target <= network.flops() <= target


def test_temperature_falls_and_stays() -> None:
    found = [temperature_at(step / 20) for step in range(21)]
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] == found[-2] < 1
