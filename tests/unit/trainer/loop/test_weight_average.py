"""WeightAverage: the formula, and a network that gets its own weights back."""

import contextlib

import pytest
import torch
from torch import nn

from gatefront.trainer.loop.weight_average import WeightAverage


class Counted(nn.Module):
    """One weight, one statistic and a counter, as a batch norm has them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("mean", torch.tensor(10.0))
        self.register_buffer("count", torch.tensor(0))

    def become(self, value: float) -> None:
        self.load_state_dict(
            {"weight": torch.tensor(value), "mean": torch.tensor(10 * value), "count": torch.tensor(7)}
        )


def values_of(average: WeightAverage, network: Counted) -> tuple[float, float, int]:
    with average.in_place_of_weights(network):
        state = network.state_dict()
        return float(state["weight"]), float(state["mean"]), int(state["count"])


def test_average_of_two_steps() -> None:
    network = Counted()
    average = WeightAverage(network, 0.2)
    network.become(2.0)
    average.update(network)
    network.become(4.0)
    average.update(network)
    first, second = 2 / 11, 0.2  # the decay rises to the one asked for
    expected = second * (first * 1.0 + (1 - first) * 2.0) + (1 - second) * 4.0
    weight, mean, count = values_of(average, network)
    assert (weight, mean, count) == (pytest.approx(expected), pytest.approx(10 * expected), 7)


def test_network_gets_its_own_weights_back() -> None:
    network = Counted()
    average = WeightAverage(network, 0.9)
    network.become(3.0)
    with contextlib.suppress(KeyError), average.in_place_of_weights(network):
        assert float(network.weight) == 1.0
        raise KeyError
    assert float(network.weight) == 3.0


def test_state_goes_on_where_it_was() -> None:
    network = Counted()
    average, restored = WeightAverage(network, 0.5), WeightAverage(network, 0.5)
    network.become(2.0)
    average.update(network)
    restored.restore(average.state())
    network.become(5.0)
    for one in (average, restored):
        one.update(network)
    assert values_of(average, network) == values_of(restored, network)
