"""Gates per block, per stage and per channel group, shared decoders and resolutions keep what single gates keep."""

import pytest
import torch
from torch import nn

from gatefront.spaces import (
    Architecture,
    GateLayout,
    InterroGateNetwork,
    Task,
    build_gated_network,
    build_shared_network,
    close_gates_to_budget,
    count_flops,
    prune_network,
)
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.networks.lifting import find_sites

pytestmark = pytest.mark.usefixtures("_traced_once")

TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=4),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="edges", kind="edges", num_outputs=1),
)
LAYOUTS = {
    "blocks": GateLayout(granularity="block"),
    "stages": GateLayout(granularity="stage"),
    "groups of 4": GateLayout(channel_group=4),
    "blocks in groups of 4": GateLayout(granularity="block", channel_group=4),
}


def _architecture(backbone: str, width: float, **changes: object) -> Architecture:
    fields: dict[str, object] = {"tasks": TASKS, "in_channels": 3, "input_size": (48, 64), "decoder_width": 8}
    return Architecture(backbone=backbone, width=width, **(fields | changes))  # type: ignore[arg-type]


NETWORKS = {
    "resnet18": _architecture("resnet18", 0.125),
    "mobilenetv3": _architecture("mobilenetv3_small_100", 0.5, stem="small"),
    "vit": _architecture("test_vit", 1.0),
    "convnext": _architecture("test_convnext", 0.5),
    "shared deeplab": _architecture("resnet18", 0.125, decoder="deeplab", share_decoder=True, output_stride=16),
    "half resolution": _architecture("resnet18", 0.125, resolution=0.5),
}


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> GateLayout:
    return LAYOUTS[request.param]


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(f"layouts of {name}")) for name in NETWORKS])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return NETWORKS[request.param]


@torch.no_grad()
def test_layout_keeps_the_contract(architecture: Architecture, layout: GateLayout) -> None:
    generator = torch.Generator().manual_seed(0)
    gated = build_gated_network(architecture, layout).eval()
    images = torch.randn(2, 3, *architecture.input_size, generator=generator)
    shape = (3, *architecture.input_size)
    shared = build_shared_network(architecture)
    assert gated.cost.hard_sharing == count_flops(shared, shape)
    for own in (0.0, 0.3, 1.0):
        _open_gates(gated, own, generator)
        pruned = prune_network(gated)
        expected = gated(images)
        for name, found in zip(pruned.task_names, pruned(images), strict=True):
            error = float((found - expected[name]).abs().max() / expected[name].abs().max().clamp(min=1e-3))
            assert error < 1e-5
        assert gated.flops() == count_flops(pruned, shape)
    assert gated.flops() == gated.cost.single_task


@torch.no_grad()
def test_cut_closes_whole_groups(architecture: Architecture, layout: GateLayout) -> None:
    generator = torch.Generator().manual_seed(1)
    gated = build_gated_network(architecture, layout)
    _open_gates(gated, 0.8, generator)
    budget = (gated.cost.floor + gated.flops()) // 2
    cut = close_gates_to_budget(gated, budget)
    assert gated.cost.flops(cut) <= budget
    for gate, own in zip(gated.channel_gates(), cut, strict=True):
        assert torch.equal(own, gate.per_channel(gate.per_group(own)))


def test_coarser_layouts_have_fewer_gates(architecture: Architecture) -> None:
    encoder = build_encoder(architecture)

    def num_gates(layout: GateLayout) -> int:
        return sum(-(-site.num_channels // site.group_size) for site in find_sites(encoder, layout).sites)

    by_layer = num_gates(GateLayout())
    assert num_gates(LAYOUTS["stages"]) <= num_gates(LAYOUTS["blocks"]) <= by_layer
    assert num_gates(LAYOUTS["stages"]) < by_layer
    assert num_gates(LAYOUTS["groups of 4"]) < by_layer / 2


def _open_gates(network: InterroGateNetwork, own: float, generator: torch.Generator) -> None:
    for gate in network.channel_gates():
        gate.alpha.copy_(torch.where(torch.rand(gate.alpha.shape, generator=generator) < own, 1.0, -1.0))
        nn.init.normal_(gate.beta, generator=generator)
