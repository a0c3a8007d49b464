"""Parameter groups and learning rates."""

import pytest
import torch
from torch import nn

from gatefront.trainer.config import Schedule, TrainConfig
from gatefront.trainer.loop.optimizers import build_optimizer, build_schedule


def config(schedule: Schedule = "one_cycle") -> TrainConfig:
    return TrainConfig(epochs=1, batch_size=1, learning_rate=0.01, weight_decay=0.1, schedule=schedule)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))


def test_every_parameter_is_in_one_group() -> None:
    net, gate = network(), nn.Parameter(torch.ones(3, 2))
    net.register_parameter("gate", gate)
    weights, norms_and_biases, gates = build_optimizer(
        net, config(), gate_parameters=[gate], gate_learning_rate=0.5
    ).param_groups
    assert {parameter.ndim for parameter in weights["params"]} == {2, 4}
    assert {parameter.ndim for parameter in norms_and_biases["params"]} == {1}
    assert [id(parameter) for parameter in gates["params"]] == [id(gate)]
    assert (weights["lr"], norms_and_biases["lr"], gates["lr"]) == (0.01, 0.01, 0.5)
    assert (weights["weight_decay"], norms_and_biases["weight_decay"], gates["weight_decay"]) == (0.1, 0.0, 0.0)
    grouped = [id(parameter) for group in (weights, norms_and_biases, gates) for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in net.parameters())


def test_frozen_parameters_are_left_out() -> None:
    net = network()
    for parameter in net.parameters():
        parameter.requires_grad_(parameter.ndim > 1)
    (weights,) = build_optimizer(net, config()).param_groups
    assert len(weights["params"]) == 2


@pytest.mark.parametrize("num_steps", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("schedule", ["one_cycle", "poly", "constant"])
def test_schedule(schedule: Schedule, num_steps: int) -> None:
    optimizer = build_optimizer(network(), config(schedule))
    scheduler = build_schedule(optimizer, config(schedule), num_steps)
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert all(0 <= rate <= 0.01 + 1e-12 for rate in rates)
    if schedule == "constant":
        assert set(rates) == {0.01}
    elif schedule == "poly":
        assert rates == pytest.approx([0.01 * (1 - step / num_steps) ** 0.9 for step in range(num_steps)])
    elif num_steps == 100:
        assert rates.index(max(rates)) == 29
        assert max(rates) == pytest.approx(0.01)
        assert rates[-1] < 1e-4 * max(rates)
