"""A budget is a promise, on three kinds of network: never over, and nearly spent whenever another gate would fit."""

import pytest
import torch

from gatefront.spaces import (
    Architecture,
    GateLayout,
    GatePattern,
    InterroGateNetwork,
    Task,
    build_gated_network,
    count_flops,
    project_to_budget,
    prune_network,
)

TASKS = tuple(Task(name=name, kind="classification", num_outputs=3) for name in ("a", "b", "c"))
BACKBONES = {
    "resnet18": {"width": 0.25, "stem": "small"},
    "mobilenetv3_small_100": {"width": 0.5, "stem": "default"},
    "vit_tiny_patch16_224": {"width": 1.0, "stem": "default"},
}
NUM_BUDGETS = 20


@pytest.fixture(
    params=[
        pytest.param((backbone, group), marks=pytest.mark.xdist_group(f"budgets of {backbone}"))
        for backbone in BACKBONES
        for group in (1, 8)
    ],
    ids=str,
    scope="module",
)
def network(request: pytest.FixtureRequest) -> InterroGateNetwork:
    backbone, group = request.param
    architecture = Architecture(
        backbone=backbone, tasks=TASKS, in_channels=3, input_size=(32, 32), **BACKBONES[backbone]
    )
    return build_gated_network(architecture, GateLayout(channel_group=group)).eval()


def test_every_budget_is_kept_and_spent(network: InterroGateNetwork) -> None:
    generator = torch.Generator().manual_seed(0)
    cost = network.cost
    for number in range(NUM_BUDGETS):
        for gate in network.channel_gates():
            torch.nn.init.normal_(gate.alpha, mean=float(torch.randn(1, generator=generator)), generator=generator)
        share = float(torch.rand(1, generator=generator))
        budget = int(cost.floor + share * (cost.ceiling - cost.floor))
        pattern = project_to_budget(network, budget)
        delivered = cost.flops(pattern)
        assert delivered <= budget
        assert delivered >= 0.98 * budget or _cheapest_opening(network, pattern) > budget - delivered
        if number % 10 == 0:
            network.set_gate_pattern(pattern)
            assert count_flops(prune_network(network), (3, 32, 32)) == delivered


def test_both_ends_are_met_exactly(network: InterroGateNetwork) -> None:
    for budget in (network.cost.floor, network.cost.ceiling):
        assert network.cost.flops(project_to_budget(network, budget)) == budget


def _cheapest_opening(network: InterroGateNetwork, pattern: GatePattern) -> float:
    """What the cheapest gate that is still shut would add."""
    cheapest = float("inf")
    for gate, site, own in zip(network.channel_gates(), network.cost.sites, pattern, strict=True):
        groups = gate.per_group(own)
        is_last = groups.sum(dim=0) == len(groups) - 1
        prices = torch.where(is_last, 0, gate.group_channels() * site.channel_flops).expand_as(groups)[~groups]
        cheapest = min([cheapest, *prices.tolist()])
    return cheapest
