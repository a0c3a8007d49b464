"""Channels that fill widths up change no output and leave no convolution with a width that runs slowly."""

import operator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from gatefront.spaces import Architecture, PlainNetwork, Task, build_gated_network, pad_widths, prune_network

TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=5),
    Task(name="depth", kind="depth", num_outputs=1),
)
IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "efficientnet_b0", "convnext_atto", "resnet18"])
def test_pruned_networks_answer_as_before(backbone: str) -> None:
    pruned = _prune_at_random(backbone)
    padded = pad_widths(pruned, IMAGES)
    for before, after in zip(_run(pruned), _run(padded or pruned), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "efficientnet_b0", "convnext_atto"])
def test_every_depthwise_layer_gets_a_width_of_four(backbone: str) -> None:
    pruned = _prune_at_random(backbone)
    assert any(width % 4 for width in _depthwise_widths(pruned)), "random gates leave odd widths, or nothing is tested"
    padded = pad_widths(pruned, IMAGES)
    assert padded is not None
    assert not any(width % 4 for width in _depthwise_widths(padded))
    assert any(width % 4 for width in _depthwise_widths(pruned)), "the network that was given is left alone"


def test_widths_of_four_are_left_alone() -> None:
    assert pad_widths(_network(_Layers(mid=8)), IMAGES) is None


def test_wide_values_reach_every_kind_of_reader() -> None:
    network = _network(_Layers(mid=6))
    padded = pad_widths(network, IMAGES)
    assert padded is not None
    assert _depthwise_widths(padded) == [8, 8]
    for before, after in zip(_run(network), _run(padded), strict=True):
        assert after.shape == before.shape
        torch.testing.assert_close(after, before, rtol=1e-6, atol=1e-6)


def test_a_layer_that_runs_twice_keeps_its_width() -> None:
    padded = pad_widths(_network(_Twice()), IMAGES)
    assert padded is None


class _Layers(nn.Module):
    """Two values of ``mid`` channels, by a layer and by a selection, and whatever may read them."""

    def __init__(self, mid: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, stride=4)
        self.expand = nn.Conv2d(12, mid, 1)
        self.depthwise = nn.Conv2d(mid, mid, 3, padding=1, groups=mid)
        self.selected_depthwise = nn.Conv2d(mid, mid, 3, padding=1, groups=mid, bias=False)
        self.squeeze, self.excite = nn.Conv2d(mid, 2, 1), nn.Conv2d(2, mid, 1)
        self.act, self.norm, self.flatten = nn.SiLU(), nn.BatchNorm2d(mid), nn.Flatten()
        self.project, self.linear = nn.Conv2d(2 * mid, 4, 1, bias=False), nn.Linear(mid, 2)
        self.register_buffer("positions", torch.arange(12).flip(0)[:mid].clone())
        self.register_buffer("across", torch.tensor([mid + 1, 0, mid - 1]))
        self.register_buffer("scale", torch.rand(1, mid, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        stem = self.stem(images)
        own = self.act(self.depthwise(self.expand(stem)))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(own.mean((2, 3), keepdim=True)))))
        own = operator.mul(operator.mul(own, gate), self.scale)
        taken = self.selected_depthwise(torch.index_select(stem, 1, self.positions))
        both = torch.cat([own, taken], 1)
        mid = self.expand.out_channels
        return (
            self.project(both),
            torch.index_select(both, 1, self.across),
            torch.narrow(both, 1, 1, 3),
            torch.narrow(both, 1, mid - 2, 4),
            self.linear(self.flatten(own.mean((2, 3), keepdim=True))),
            self.norm(taken),
            torch.cat([taken, own], 1) + 1.0,
            own,
        )


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.expand, self.depthwise = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=6)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.depthwise(self.depthwise(self.expand(images))),)


def _network(module: nn.Module) -> PlainNetwork:
    torch.manual_seed(0)
    body = fx.symbolic_trace(module)
    return PlainNetwork(body, ("semseg",))


def _prune_at_random(backbone: str) -> PlainNetwork:
    torch.manual_seed(0)
    gated = build_gated_network(Architecture(backbone=backbone, tasks=TASKS, in_channels=3, input_size=(64, 64)))
    with torch.no_grad():
        for gate in gated.channel_gates():
            gate.alpha.normal_()
            gate.beta.normal_()
    return prune_network(gated)


@torch.no_grad()
def _run(network: PlainNetwork) -> tuple[Tensor, ...]:
    outputs: tuple[Tensor, ...] = network(IMAGES)
    return outputs


def _depthwise_widths(network: PlainNetwork) -> list[int]:
    return [m.groups for m in network.modules() if isinstance(m, nn.Conv2d) and 1 < m.groups == m.in_channels]
