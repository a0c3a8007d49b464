"""Decoders: sizes for every form and every kind of features, what can train, and where the trunk ends."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import (
    Architecture,
    SpaceError,
    Task,
    build_gated_network,
    build_shared_network,
    count_flops,
    prune_network,
)
from gatefront.spaces.decoders import build_decoder
from gatefront.spaces.networks.encoder import build_encoder, feature_shapes

SEMSEG = Task(name="semseg", kind="segmentation", num_outputs=5)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)
SCENE = Task(name="scene", kind="classification", num_outputs=3)
DECODERS = ("light", "deeplab", "dpt")

PYRAMID = ((12, 16, 20), (16, 8, 10), (24, 4, 5))
DILATED = ((12, 16, 20), (16, 8, 10), (24, 8, 10))
TRANSFORMER = ((18, 4, 5),) * 4
ONE_MAP = ((18, 8, 10),)
ONE_PIXEL = ((12, 1, 1), (16, 1, 1))


def _architecture(**changes: Any) -> Architecture:
    fields: dict[str, Any] = {
        "backbone": "smallconv",
        "tasks": (SEMSEG, DEPTH),
        "in_channels": 3,
        "input_size": (64, 80),
        "decoder_width": 8,
    }
    return Architecture(**fields | changes)


def _features(sizes: Sequence[tuple[int, int, int]], batch: int = 2) -> list[Tensor]:
    return [torch.randn(batch, *size) for size in sizes]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("sizes", [PYRAMID, DILATED, TRANSFORMER, ONE_MAP, ONE_PIXEL])
def test_a_dense_prediction_has_the_images_size(decoder: str, sizes: Sequence[tuple[int, int, int]]) -> None:
    features = _features(sizes)
    network = build_decoder(SEMSEG, _architecture(decoder=decoder), [f[:1].shape for f in features])
    assert network(features).shape == (2, 5, 64, 80)


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_parameter_learns_even_with_one_image_per_batch(decoder: str) -> None:
    features = _features(PYRAMID, batch=1)
    network = build_decoder(DEPTH, _architecture(decoder=decoder), [f.shape for f in features]).train()
    (network(features) * torch.randn(1, 1, 64, 80)).sum().backward()
    still = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert still == []


@pytest.mark.parametrize("decoder", DECODERS)
def test_all_levels_are_read_save_by_deeplab(decoder: str) -> None:
    features = [f.requires_grad_() for f in _features(PYRAMID)]
    build_decoder(DEPTH, _architecture(decoder=decoder), [f.shape for f in features])(features).sum().backward()
    read = [f.grad is not None for f in features]
    assert read == ([False, False, True] if decoder == "deeplab" else [True, True, True])


def test_deeplab_costs_what_its_layers_say() -> None:
    """ASPP on c channels at n pixels: 1x1, three 3x3, pooling, projection of five, 3x3, prediction."""
    c, w, n = 24, 8, 4 * 5
    network = build_decoder(SEMSEG, _architecture(decoder="deeplab"), [torch.Size((1, *size)) for size in PYRAMID])

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = network

        def forward(self, last: Tensor) -> Tensor:
            prediction: Tensor = self.decoder([last])
            return prediction

    macs = n * (c * w + 3 * 9 * c * w + 5 * w * w + 9 * w * w + w * 5) + c * w
    assert count_flops(Wrapped(), PYRAMID[-1]) == 2 * macs


def test_aspp_sees_as_far_as_its_rates() -> None:
    last = torch.zeros(1, 4, 75, 75)
    network = build_decoder(DEPTH, _architecture(decoder="deeplab"), [last.shape]).eval()
    atrous = network.get_submodule("trunk.atrous")
    assert [module.dilation for module in atrous.modules() if isinstance(module, nn.Conv2d)] == [
        (12, 12), (24, 24), (36, 36),
    ]  # fmt: skip


@pytest.mark.parametrize("decoder", DECODERS)
def test_classification_has_its_own_form_whatever_dense_tasks_get(decoder: str) -> None:
    shapes = [torch.Size((1, *size)) for size in PYRAMID]
    network = build_decoder(SCENE, _architecture(decoder=decoder, tasks=(SEMSEG, SCENE)), shapes)
    assert {type(module) for module in network.children()} == {nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear}


def test_vectors_are_refused_for_dense_tasks() -> None:
    with pytest.raises(SpaceError, match=r"semseg \(segmentation\), depth \(depth\).*vectors"):
        build_decoder(SEMSEG, _architecture(), [torch.Size((1, 32))])


def test_an_empty_level_is_refused_with_all_sizes() -> None:
    with pytest.raises(SpaceError, match=r"input_size 64x80 is too small.*2x3, 1x0.*Use larger images"):
        build_decoder(SEMSEG, _architecture(), [torch.Size((1, 4, 2, 3)), torch.Size((1, 4, 1, 0))])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"share_decoder": True, "tasks": (SEMSEG, SCENE)}, r"share_decoder.*scene \(classification\)"),
        ({"decoder": "unet"}, r"decoder must be one of light, deeplab, dpt, found 'unet'"),
        ({"output_stride": 16, "input_size": (8, 64)}, r"input_size 8x64 is too small for output_stride 16"),
        ({"output_stride": 4}, r"output_stride must be one of"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_built(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpaceError, match=sentence):
        _architecture(**changes)


@pytest.mark.parametrize("decoder", DECODERS)
def test_sharing_the_decoder_moves_cost_and_changes_none_of_it(decoder: str) -> None:
    apart = _architecture(decoder=decoder, input_size=(16, 20))
    together = replace(apart, share_decoder=True)
    shape = (3, 16, 20)
    one_task = [count_flops(build_shared_network(a, ["depth"]), shape) for a in (apart, together)]
    assert one_task[0] == one_task[1]
    all_tasks = [count_flops(build_shared_network(a), shape) for a in (apart, together)]
    trunk = count_flops(build_encoder(together), shape) - count_flops(build_encoder(apart), shape)
    assert trunk > 0
    assert all_tasks[0] - all_tasks[1] == trunk


def test_the_width_multiplier_leaves_a_shared_trunk_alone() -> None:
    architecture = _architecture(backbone="resnet18", stem="small", width=0.125, share_decoder=True, decoder_width=24)
    encoder = build_encoder(architecture)
    assert feature_shapes(encoder) == [torch.Size((1, 24, 32, 40))]
    widths = {
        name.split(".")[0]: module.out_channels
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    assert widths == {"backbone": 64, "trunk": 24}


@pytest.mark.parametrize("decoder", DECODERS)
def test_gates_reach_into_a_shared_trunk(decoder: str) -> None:
    architecture = _architecture(decoder=decoder, share_decoder=True, input_size=(16, 20))
    sites = [site.name for site in build_gated_network(architecture).gate_map().sites]
    assert any(name.startswith("trunk") for name in sites)
    assert sites[-1].startswith("trunk.refine")


@pytest.mark.parametrize("share_decoder", [False, True])
@pytest.mark.parametrize("decoder", DECODERS)
@torch.no_grad()
def test_pruning_keeps_what_decoders_say_and_what_they_cost(decoder: str, share_decoder: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    architecture = _architecture(decoder=decoder, share_decoder=share_decoder, input_size=(16, 20))
    gated = build_gated_network(architecture).eval()
    for module in gated.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
    for own in (0.0, 0.5, 1.0):
        gated.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < own for p in gated.gate_pattern()))
        pruned = prune_network(gated)
        assert count_flops(pruned, (3, 16, 20)) == gated.flops()
        images = torch.randn(2, 3, 16, 20, generator=generator)
        for found, expected in zip(pruned(images), gated(images).values(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("backbone", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
@torch.no_grad()
def test_decoders_read_every_backbone_that_gives_maps(backbone: str, decoder: str) -> None:
    architecture = _architecture(backbone=backbone, decoder=decoder, input_size=(64, 96))
    predictions = build_shared_network(architecture).eval()(torch.randn(1, 3, 64, 96))
    assert predictions["semseg"].shape == (1, 5, 64, 96)
