"""The expected cost against its definition: the mean of the exact cost over all gate patterns."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefront.spaces import ChannelGate, CostModel, expected_flops
from gatefront.spaces.networks.lifting import Site, WholeCost


def _model(sizes: list[int], group: int, num_tasks: int, whole: bool) -> tuple[CostModel, list[ChannelGate]]:
    gates = [
        ChannelGate(num_tasks, size, channel_axis=1, initial_logit=0.0, group_size=group).double() for size in sizes
    ]
    sites = tuple(
        Site(node=None, num_channels=size, channel_axis=1, channel_flops=3 + index, group_size=group)  # type: ignore[arg-type]
        for index, size in enumerate(sizes)
    )
    wholes = (WholeCost(sites=tuple(range(len(sizes))), flops=50),) if whole else ()
    return CostModel(
        sites=sites,
        whole_costs=wholes,
        readers=((True,) * num_tasks,) * len(sites),
        encoder=0,
        heads={str(t): 7 for t in range(num_tasks)},
    ), gates


def _pattern(gates: list[ChannelGate], bits: tuple[bool, ...]) -> tuple[torch.Tensor, ...]:
    flat, found = list(bits), []
    for gate in gates:
        count = gate.alpha.numel()
        own, flat = torch.tensor(flat[:count]).view(gate.alpha.shape), flat[count:]
        found.append(gate.per_channel(own))
    return tuple(found)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    group=st.integers(1, 2),
    num_tasks=st.integers(1, 2),
    whole=st.booleans(),
    temperature=st.floats(0.2, 3),
    seed=st.integers(0, 99),
)
def test_is_the_mean_over_all_patterns(
    sizes: list[int], group: int, num_tasks: int, whole: bool, temperature: float, seed: int
) -> None:
    torch.manual_seed(seed)
    cost, gates = _model(sizes, group, num_tasks, whole)
    for gate in gates:
        torch.nn.init.normal_(gate.alpha, std=2)
    p = torch.cat([torch.sigmoid(gate.alpha.detach() / temperature).flatten() for gate in gates])
    mean = 0.0
    for bits in itertools.product((False, True), repeat=len(p)):
        chance = torch.where(torch.tensor(bits), p, 1 - p).prod()
        mean += float(chance) * cost.flops(_pattern(gates, bits))
    assert float(expected_flops(cost, gates, temperature=temperature).detach()) == pytest.approx(mean, rel=1e-9)


@given(seed=st.integers(0, 99), whole=st.booleans())
def test_meets_the_hard_cost_as_the_temperature_falls(seed: int, whole: bool) -> None:
    torch.manual_seed(seed)
    cost, gates = _model([5, 3], 2, 3, whole)
    for gate in gates:
        torch.nn.init.normal_(gate.alpha, std=2)
    hard = cost.flops(tuple(gate.pattern() for gate in gates))
    assert float(expected_flops(cost, gates, temperature=1e-4).detach()) == pytest.approx(hard, rel=1e-3)


@given(seed=st.integers(0, 99))
def test_opening_a_gate_never_lowers_it(seed: int) -> None:
    torch.manual_seed(seed)
    cost, gates = _model([4, 3], 1, 3, False)
    for gate in gates:
        torch.nn.init.normal_(gate.alpha, std=2)
    expected_flops(cost, gates).backward()  # type: ignore[no-untyped-call]
    assert all(bool((gate.alpha.grad >= 0).all()) for gate in gates if gate.alpha.grad is not None)
    assert all(gate.alpha.grad is not None for gate in gates)


@given(pressure=st.lists(st.floats(0, 5), min_size=3, max_size=3), seed=st.integers(0, 99), whole=st.booleans())
def test_pressure_scales_each_tasks_gradient_and_not_the_value(pressure: list[float], seed: int, whole: bool) -> None:
    torch.manual_seed(seed)
    cost, gates = _model([4, 3], 1, 3, whole)
    for gate in gates:
        torch.nn.init.normal_(gate.alpha, std=2)
    alphas = [gate.alpha for gate in gates]
    even, pressed = expected_flops(cost, gates), expected_flops(cost, gates, pressure=torch.tensor(pressure).double())
    assert float(pressed.detach()) == pytest.approx(float(even.detach()))
    before, after = torch.autograd.grad(even, alphas), torch.autograd.grad(pressed, alphas)
    for plain, scaled in zip(before, after, strict=True):
        assert torch.allclose(scaled, torch.tensor(pressure).double()[:, None] * plain)
