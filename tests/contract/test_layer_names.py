"""Layers of a user's module may be called as gatefront's own parts: no two of a network's layers get one name."""

import json
from pathlib import Path

import pytest
import torch

from gatefront.spaces import Architecture, PlainNetwork, Task, build_gated_network, count_flops, prune_network
from gatefront.spaces.families import build_family, plain_network

BACKBONE = """
import torch
import torch.nn.functional as F
from torch import nn

class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.graph, self.code = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.shared, self.constant_0 = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)
        same_node_name = {"a b": nn.Conv2d(6, 6, 1), "a-b": nn.Conv2d(6, 8, 3, stride=2, padding=1)}
        self.gates = nn.ModuleDict(same_node_name | {"0": nn.BatchNorm2d(8), "\u540d": nn.Conv2d(8, 8, 3, padding=1)})
        self.head0, self.task0__shared, self.units = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.heads = nn.Parameter(torch.ones(1, 8, 1, 1))

    def forward(self, images):
        first = F.relu(self.code(self.graph(images)))
        first = first + self.constant_0(self.shared(first))
        second = F.relu(self.gates["0"](self.gates["a-b"](self.gates["a b"](first))))
        second = (self.units(self.gates["\u540d"](second)) + self.head0(second)) * self.heads
        return [first, F.relu(self.task0__shared(second))]
"""
SHAPE = (3, 12, 16)


@pytest.fixture
def architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Architecture:
    (tmp_path / "layers_called_as_ours.py").write_text(BACKBONE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    tasks = tuple(Task(name=name, kind="segmentation", num_outputs=2) for name in ("module", "shared"))
    return Architecture(
        backbone="layers_called_as_ours:Layers", tasks=tasks, in_channels=3, input_size=SHAPE[1:], decoder_width=4
    )


@torch.no_grad()
def test_network_of_layers_called_as_its_own_parts_is_pruned_and_written_exactly(architecture: Architecture) -> None:
    network, images = build_gated_network(architecture), torch.randn(2, *SHAPE)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    for gate in network.channel_gates():
        gate.alpha.normal_()
    expected = network.eval()(images)
    plain = prune_network(network)
    assert count_flops(plain, SHAPE) == network.flops()
    document = json.loads(json.dumps(plain.architecture_json()))
    for found in (plain, PlainNetwork.from_json(document, plain.tensors())):
        for name, output in zip(found.task_names, found(images), strict=True):
            torch.testing.assert_close(output, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["single-task", "hard-sharing", "cross-stitch", "mtan", "lomt"])
@torch.no_grad()
def test_family_of_layers_called_as_its_own_parts_is_written_exactly(architecture: Architecture, family: str) -> None:
    network, images = build_family(family, architecture).eval(), torch.randn(2, *SHAPE)
    expected, plain = network(images), plain_network(network)
    for name, output in zip(plain.task_names, plain(images), strict=True):
        torch.testing.assert_close(output, expected[name], rtol=1e-4, atol=1e-5)
