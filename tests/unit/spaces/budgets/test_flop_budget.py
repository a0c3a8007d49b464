"""Projection to a budget: never over, nothing left that would fit, and exactly what trying gate by gate would give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gatefront.spaces import (
    Architecture,
    GateLayout,
    GatePattern,
    InterroGateNetwork,
    Task,
    build_gated_network,
    project_to_budget,
)

TASKS = tuple(Task(name=name, kind="depth", num_outputs=1) for name in ("a", "b", "c"))
LAYOUTS = {
    "channels": GateLayout(),
    "groups": GateLayout(channel_group=3),
    "blocks": GateLayout(granularity="block"),
    "stages": GateLayout(granularity="stage", channel_group=2),
}


def _build(backbone: str, layout: GateLayout, num_tasks: int) -> InterroGateNetwork:
    architecture = Architecture(
        backbone=backbone,
        tasks=TASKS[:num_tasks],
        in_channels=1,
        input_size=(16, 16),
        decoder_width=4,
        width=1.0 if backbone == "smallconv" else 0.0625,
        stem="small",
    )
    return build_gated_network(architecture, layout)


NETWORKS = {
    f"{backbone}, {name}, {num_tasks} tasks": _build(backbone, layout, num_tasks)
    for backbone, name, layout, num_tasks in [
        ("smallconv", "channels", LAYOUTS["channels"], 3),
        ("smallconv", "groups", LAYOUTS["groups"], 2),
        ("smallconv", "channels", LAYOUTS["channels"], 1),
        ("resnet18", "blocks", LAYOUTS["blocks"], 3),
        ("resnet18", "stages", LAYOUTS["stages"], 2),
    ]
}


@pytest.fixture(params=list(NETWORKS), scope="module")
def network(request: pytest.FixtureRequest) -> InterroGateNetwork:
    return NETWORKS[request.param]


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1.05), chosen_only=st.booleans())
def test_is_what_trying_gate_by_gate_gives(
    network: InterroGateNetwork, seed: int, share: float, chosen_only: bool
) -> None:
    _draw_gates(network, seed)
    budget = int(network.cost.floor + share * (network.cost.ceiling - network.cost.floor))
    openable = network.gate_pattern() if chosen_only else None
    found = project_to_budget(network, budget, openable=openable)
    assert network.cost.flops(found) <= budget
    if not network.cost.whole_costs:
        expected = _gate_by_gate(network, budget, openable)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not _gates_that_still_fit(network, budget, found, openable)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), shares=st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_cost_grows_with_the_budget(network: InterroGateNetwork, seed: int, shares: list[float]) -> None:
    _draw_gates(network, seed)
    span = network.cost.ceiling - network.cost.floor
    budgets = [int(network.cost.floor + share * span) for share in sorted(shares)]
    costs = [network.cost.flops(project_to_budget(network, budget)) for budget in budgets]
    if not network.cost.whole_costs:
        assert costs == sorted(costs)
    assert all(cost <= budget for cost, budget in zip(costs, budgets, strict=True))
    assert network.cost.flops(project_to_budget(network, network.cost.floor)) == network.cost.floor
    assert network.cost.flops(project_to_budget(network, network.cost.ceiling)) == network.cost.ceiling


def test_importance_decides_which_gates_open(network: InterroGateNetwork) -> None:
    """Of two equal gates the more important one opens, whatever the logits say."""
    _draw_gates(network, 0)
    site = next(index for index, found in enumerate(network.cost.sites) if found.channel_flops)
    importance = [torch.full(gate.alpha.shape, -1.0) for gate in network.channel_gates()]
    importance[site][0, 1] = 2.0
    everything = project_to_budget(network, network.cost.ceiling, importance=importance)
    assert all(bool(own.all()) for own in everything)
    alone = tuple(torch.zeros_like(own) for own in everything)
    gate = network.channel_gates()[site]
    alone[site][0] = gate.per_channel(importance[site] > 0)[0]
    found = project_to_budget(network, network.cost.flops(alone), importance=importance)
    assert bool(found[site][0, gate.group_size])
    assert network.cost.flops(found) == network.cost.flops(alone)


def _draw_gates(network: InterroGateNetwork, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for gate in network.channel_gates():
        nn.init.normal_(gate.alpha, generator=generator)


def _gate_by_gate(network: InterroGateNetwork, budget: int, openable: GatePattern | None) -> GatePattern:
    """The definition: one gate after the other in order, each opened if the whole still costs at most the budget."""
    gates, cost = network.channel_gates(), network.cost
    open_groups = [torch.zeros(gate.alpha.shape, dtype=torch.bool) for gate in gates]
    candidates: list[tuple[float, int, int, int]] = []
    for index, (gate, site) in enumerate(zip(gates, cost.sites, strict=True)):
        may_open = torch.ones_like(gate.alpha) if openable is None else gate.per_group(openable[index])
        for task, group in may_open.nonzero().tolist():
            value = float(gate.alpha[task, group].detach().double())
            channels = min(gate.group_size, site.num_channels - group * gate.group_size)
            price = max(float(channels * site.channel_flops), 0.5)
            candidates.append((-(value / price if value >= 0 else value * price), index, task, group))

    def total() -> int:
        return cost.flops(tuple(gate.per_channel(open_) for gate, open_ in zip(gates, open_groups, strict=True)))

    def open_if_it_fits(limit: int) -> None:
        for _, index, task, group in sorted(candidates):
            if not open_groups[index][task, group]:
                open_groups[index][task, group] = True
                open_groups[index][task, group] = total() <= limit

    open_if_it_fits(budget)
    open_if_it_fits(budget)
    opened: list[Tensor] = [gate.per_channel(open_) for gate, open_ in zip(gates, open_groups, strict=True)]
    return tuple(opened)


def _gates_that_still_fit(
    network: InterroGateNetwork, budget: int, pattern: GatePattern, openable: GatePattern | None
) -> list[tuple[int, int, int]]:
    """Shut gates ``(site, task, group)`` that could open and keep the budget."""
    found = []
    for index, gate in enumerate(network.channel_gates()):
        may_open = torch.ones_like(pattern[index]) if openable is None else openable[index]
        for task, group in gate.per_group(may_open & ~pattern[index]).nonzero().tolist():
            tried = [own.clone() for own in pattern]
            tried[index][task, group * gate.group_size : (group + 1) * gate.group_size] = True
            if network.cost.flops(tuple(tried)) <= budget:
                found.append((index, task, group))
    return found
