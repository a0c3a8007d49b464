"""Backbones whose layers are not read by all tasks: exact outputs, costs, budgets and references all the same."""

import itertools
import sys

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, InterroGateNetwork, Task, build_gated_network, count_flops, prune_network
from gatefront.spaces.budgets.expected_flops import expected_flops
from gatefront.spaces.budgets.flop_budget import project_to_budget
from gatefront.spaces.gating.gate_counts import NOT_READ, GateCounts
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.spaces.networks.equivalence import calibrate_norms, randomize
from gatefront.spaces.networks.shared_network import build_shared_network

DEPTH = Task(name="depth", kind="depth", num_outputs=1)
NORMALS = Task(name="normals", kind="normals", num_outputs=3)
LABEL = Task(name="label", kind="classification", num_outputs=3)
SIZE = (16, 12)


class SideBranch(nn.Module):
    """Classification reads the last feature alone, which does not depend on the side branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.side = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 6, 3, 2, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images).relu()
        return [self.side(x), x]


class Pyramid(nn.Module):
    """Two streams that meet: the first feature reads all layers, the last one half of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.fine, self.coarse = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 12, 3, 2, 1)
        self.deep = nn.Sequential(nn.Conv2d(12, 12, 3, 1, 1), nn.BatchNorm2d(12), nn.ReLU())
        self.lateral, self.smooth = nn.Conv2d(12, 8, 1), nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images)
        top = self.deep(self.coarse(x).relu())
        down = nn.functional.interpolate(self.lateral(top), size=x.shape[-2:])
        return [self.smooth(self.fine(x) + down), top]


class WholeSide(SideBranch):
    """The side branch holds an operation that no rule covers, whose cost is that of all its channels at once."""

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images).relu()
        y = self.side(x)
        flat = y.flatten(2)
        return [torch.bmm(flat, flat.transpose(1, 2)).softmax(dim=-1).bmm(flat).view_as(y), x]


BACKBONES = (SideBranch, Pyramid, WholeSide)
TASKS = {
    "depth and label": (DEPTH, LABEL),
    "label and depth": (LABEL, DEPTH),
    "two dense": (DEPTH, LABEL, NORMALS),
    "labels only": (LABEL, Task(name="other", kind="classification", num_outputs=2)),
}


def _architecture(backbone: type[nn.Module], tasks: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch) -> Architecture:
    monkeypatch.setitem(sys.modules, "mynets_side", sys.modules[__name__])
    return Architecture(
        backbone=f"mynets_side:{backbone.__name__}", tasks=tasks, in_channels=3, input_size=SIZE, decoder_width=4
    )


@pytest.fixture(params=itertools.product(BACKBONES, TASKS), ids=lambda pair: f"{pair[0].__name__}, {pair[1]}")
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> InterroGateNetwork:
    backbone, tasks = request.param
    network = build_gated_network(_architecture(backbone, TASKS[tasks], monkeypatch)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        randomize(network, generator)
        calibrate_norms(network, torch.randn(4, 3, *SIZE, generator=generator), generator)
    return network.eval()


def set_random_gates(network: InterroGateNetwork, seed: int, share: float = 0.5) -> None:
    generator = torch.Generator().manual_seed(seed)
    network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < share for p in network.gate_pattern()))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
@torch.no_grad()
def test_pruned_network_with_unread_layers_equals_the_gated_one_at_its_promised_cost(
    network: InterroGateNetwork, share: float
) -> None:
    images = torch.randn(2, 3, *SIZE)
    for seed in range(3):
        set_random_gates(network, seed, share)
        pruned = prune_network(network)
        expected = network(images)
        for name, found in zip(pruned.task_names, pruned(images), strict=True):
            torch.testing.assert_close(found, expected[name])
        assert count_flops(pruned, (3, *SIZE)) == network.flops()


def test_floor_and_ceiling_with_unread_layers_are_those_of_the_references(
    network: InterroGateNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = network.architecture
    shared = build_shared_network(architecture)
    alone = [build_shared_network(architecture, [name]) for name in architecture.task_names]
    assert network.cost.floor == count_flops(shared, (3, *SIZE))
    assert network.cost.ceiling == sum(count_flops(one, (3, *SIZE)) for one in alone)
    states = {name: one.state_dict() for name, one in zip(architecture.task_names, alone, strict=True)}
    network.load_references(states, shared.state_dict())
    network.set_gate_pattern(tuple(torch.ones_like(p) for p in network.gate_pattern()))
    images = torch.randn(2, 3, *SIZE)
    for name, one in zip(architecture.task_names, alone, strict=True):
        torch.testing.assert_close(network(images)[name], one.eval()(images)[name])


def test_expected_flops_with_unread_layers_are_the_mean_over_all_gate_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_gated_network(_architecture(WholeSide, (DEPTH, LABEL, NORMALS), monkeypatch)).eval()
    gates = network.channel_gates()
    rows = [(i, t) for i, gate in enumerate(gates) for t in range(3)]
    for gate in gates:  # one decision per site and task, so that all patterns can be listed
        with torch.no_grad():
            gate.alpha.copy_(torch.tensor([[40.0], [40.0], [40.0]]).expand_as(gate.alpha))
    undecided = rows[:: max(1, len(rows) // 8)][:8]
    costs = []
    for bits in itertools.product((False, True), repeat=len(undecided)):
        pattern = [torch.ones_like(p) for p in network.gate_pattern()]
        for (i, t), bit in zip(undecided, bits, strict=True):
            pattern[i][t, 0] = bit
        costs.append(network.cost.flops(tuple(pattern)))
    with torch.no_grad():
        for i, t in undecided:
            gates[i].alpha[t, 0] = 0.0
    assert float(expected_flops(network.cost, gates)) == pytest.approx(sum(costs) / len(costs), rel=1e-9)


def test_projection_with_unread_layers_keeps_the_budget_and_leaves_no_gate_that_fits(
    network: InterroGateNetwork,
) -> None:
    cost = network.cost
    readers = torch.tensor(cost.readers)
    for step in range(11):
        budget = cost.floor + (cost.ceiling - cost.floor) * step // 10
        pattern = project_to_budget(network, budget)
        assert cost.flops(pattern) <= budget
        for i, own in enumerate(pattern):
            assert not own[~readers[i]].any()
            for t, c in (~own & readers[i][:, None]).nonzero().tolist():
                more = [p.clone() for p in pattern]
                more[i][t, c] = True
                assert cost.flops(tuple(more)) > budget
    assert cost.flops(project_to_budget(network, cost.ceiling)) == cost.ceiling


def test_training_step_with_unread_layers_moves_the_gates_of_readers_only(network: InterroGateNetwork) -> None:
    network.train()
    set_random_gates(network, 1)
    before = [gate.alpha.detach().clone() for gate in network.channel_gates()]
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    loss = torch.stack([p.square().mean() for p in network(torch.randn(4, 3, *SIZE)).values()]).sum()
    (loss + 1e-6 * expected_flops(network.cost, network.channel_gates()).float()).backward()
    optimizer.step()
    for gate, old, reads in zip(network.channel_gates(), before, network.cost.readers, strict=True):
        moved = (gate.alpha.detach() != old).any(dim=1)
        assert not any(bool(one) and not may for one, may in zip(moved, reads, strict=True))
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_gate_map_names_sites_that_a_task_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_gated_network(_architecture(SideBranch, (DEPTH, LABEL), monkeypatch))
    network.set_gate_pattern(tuple(torch.ones_like(p) for p in network.gate_pattern()))
    side = next(site for site in network.gate_map().sites if site.num_channels == 6)
    assert side.own == ("1" * 6, "-" * 6)
    assert side.own_fraction(0) == 1.0
    assert side.own_fraction(1) != side.own_fraction(1)
    counts = GateCounts.of(network.gate_map())
    assert (6, NOT_READ) in [site.own for site in counts.sites]
    assert counts.own_share(1) == 1.0
    assert from_json(GateCounts, to_json(counts)) == counts
