"""Layers that a task never reads: their gates' cost would not be exact, so they are refused by name."""

import sys

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task, build_gated_network, count_flops, prune_network

DEPTH = Task(name="depth", kind="depth", num_outputs=1)
NORMALS = Task(name="normals", kind="normals", num_outputs=3)
LABEL = Task(name="label", kind="classification", num_outputs=3)


class SideBranch(nn.Module):
    """Its last feature, which alone classification reads, does not depend on all layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.side = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 6, 3, 2, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images)
        return [self.side(x), x]


class SideNorm(SideBranch):
    """Layers that the last feature does not depend on cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(8)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images)
        return [self.norm(x), self.side(x)]


def _architecture(name: str, tasks: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch) -> Architecture:
    monkeypatch.setitem(sys.modules, "mynets_side", sys.modules[__name__])
    return Architecture(
        backbone=f"mynets_side:{name}", tasks=tasks, in_channels=3, input_size=(16, 12), decoder_width=4
    )


def test_build_gated_network_of_layer_that_a_task_never_reads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpaceError, match="task label reads nothing that depends on feature 1 of the backbone"):
        build_gated_network(_architecture("SideBranch", (DEPTH, LABEL), monkeypatch))


@pytest.mark.parametrize(("name", "tasks"), [("SideBranch", (DEPTH, NORMALS)), ("SideNorm", (DEPTH, LABEL))])
def test_flops_of_side_branches_that_are_read_or_cost_nothing_are_exact(
    name: str, tasks: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_gated_network(_architecture(name, tasks, monkeypatch)).eval()
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < 0.5 for p in network.gate_pattern()))
        assert count_flops(prune_network(network), (3, 16, 12)) == network.flops()
