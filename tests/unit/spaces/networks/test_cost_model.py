"""FLOPs: written-out counts, and the cost model's order over gate patterns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gatefront.spaces import (
    Architecture,
    BudgetBelowFloorError,
    InterroGateNetwork,
    Task,
    build_gated_network,
    close_gates_to_budget,
    count_flops,
)

TASKS = tuple(Task(name=name, kind="classification", num_outputs=3) for name in ("a", "b", "c"))


@pytest.fixture(scope="module")
def network() -> InterroGateNetwork:
    return build_gated_network(Architecture(backbone="smallconv", tasks=TASKS, in_channels=1, input_size=(12, 14)))


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (3, 10, 6), 2 * 10 * 6 * 9 * 3 * 8),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 10, 6), 2 * 5 * 3 * 9 * 3 * 8),
        (nn.Conv2d(8, 8, 5, padding=2, groups=8), (8, 4, 4), 2 * 4 * 4 * 25 * 8),
        (nn.Conv2d(8, 12, 1, groups=4), (8, 4, 4), 2 * 4 * 4 * 2 * 12),
        (nn.Sequential(nn.Flatten(), nn.Linear(20, 7)), (5, 2, 2), 2 * 20 * 7),
        (nn.BatchNorm2d(4), (4, 3, 3), 0),
    ],
)
def test_count_is_two_per_multiply_add(layer: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    assert count_flops(layer, shape) == expected


def test_smallconv_costs_what_its_layers_cost(network: InterroGateNetwork) -> None:
    convolutions = 168 * 9 * 1 * 4 + 42 * 9 * 4 * 8 + 42 * 9 * 8 * 8 + 12 * 9 * 8 * 16
    linear = 12 * 16 * 32
    heads = 3 * 32 * 3
    assert network.cost.encoder == 2 * (convolutions + linear)
    assert network.cost.hard_sharing == 2 * (convolutions + linear + heads)
    assert network.cost.single_task == 2 * (3 * (convolutions + linear) + heads)


def test_channel_cost_is_n_plus_one_until_all_tasks_own_it(network: InterroGateNetwork) -> None:
    """(n + 1[n < T]) times one channel, for n = 0..T tasks with their own third channel of the second layer."""
    shut = tuple(torch.zeros_like(p) for p in network.gate_pattern())
    one_channel = 2 * 42 * 9 * 4
    for n, factor in enumerate([0, 1, 2, 2]):
        pattern = tuple(p.clone() for p in shut)
        pattern[1][:n, 2] = True
        assert network.cost.flops(pattern) == network.cost.floor + factor * one_channel


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_closing_a_gate_never_raises_the_cost(network: InterroGateNetwork, data: st.DataObject) -> None:
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10_000)))
    share = data.draw(st.floats(0, 1))
    pattern = tuple(torch.rand(p.shape, generator=generator) < share for p in network.gate_pattern())
    site = data.draw(st.integers(0, len(pattern) - 1))
    task = data.draw(st.integers(0, 2))
    channel = data.draw(st.integers(0, pattern[site].shape[1] - 1))
    before = network.cost.flops(pattern)
    pattern[site][task, channel] = False
    assert network.cost.floor <= network.cost.flops(pattern) <= before <= network.cost.ceiling


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_budget_cut_keeps_its_promise_and_the_network(network: InterroGateNetwork, seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    for gate in network.channel_gates():
        nn.init.normal_(gate.alpha, generator=generator)
    before = network.gate_pattern()
    budget = int(network.cost.floor + share * (network.cost.ceiling - network.cost.floor))
    cut = close_gates_to_budget(network, budget)
    assert network.cost.flops(cut) <= budget
    assert all(torch.equal(a, b) for a, b in zip(before, network.gate_pattern(), strict=True))
    if network.flops() <= budget:
        assert all(torch.equal(a, b) for a, b in zip(before, cut, strict=True))


def test_budget_under_the_floor_is_refused_with_both_numbers(network: InterroGateNetwork) -> None:
    floor = network.cost.floor
    with pytest.raises(BudgetBelowFloorError, match=f"{floor - 1:,}.*{floor:,}"):
        close_gates_to_budget(network, floor - 1)
