"""ETR-NLP: what the primitives compute, who teaches what, and what it costs."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task, build_shared_network, count_flops
from gatefront.spaces.families import build_etr_nlp
from gatefront.spaces.families.primitives import PrimitiveBank
from gatefront.spaces.families.routed_layers import channel_wise_layer
from gatefront.spaces.families.routing import route_encoder
from gatefront.spaces.tracing.trace import trace_network

TASKS = ("near", "far", "sky")
SHAPE = (3, 12, 16)


def _architecture(backbone: str = "smallconv", *, width: float = 1.0, kind: str = "segmentation") -> Architecture:
    tasks = tuple(Task(name=name, kind=kind, num_outputs=4) for name in TASKS)  # type: ignore[arg-type]
    return Architecture(
        backbone=backbone, tasks=tasks, in_channels=3, input_size=SHAPE[1:], decoder_width=8, width=width
    )


@pytest.mark.parametrize(
    ("backbone", "kind"), [("smallconv", "segmentation"), ("smallconv", "classification"), ("resnet20", "segmentation")]
)
def test_routing_is_strict(backbone: str, kind: str) -> None:
    """A private branch has its own task's gradient alone, the shared ones have every task's."""
    network = build_etr_nlp(_architecture(backbone, kind=kind))
    images = torch.randn(4, *SHAPE)
    for position, task in enumerate(TASKS):
        network.zero_grad(set_to_none=True)
        network(images)[task].square().mean().backward()
        taught = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
        expected = {
            name for name, _ in network.named_parameters() if name.startswith(("encoder.shared.", f"heads.{position}."))
        } | {name for name, _ in network.named_parameters() if f".tasks.{position}." in name}
        assert taught == expected
        private = [p.grad for name, p in network.named_parameters() if f".tasks.{position}." in name and p.dim() > 1]
        shared = [p.grad for name, p in network.named_parameters() if ".shared." in name and p.dim() > 1]
        assert all(gradient is not None and bool(gradient.any()) for gradient in (*private, *shared))


@torch.no_grad()
def test_what_one_task_learned_changes_no_other() -> None:
    network = build_etr_nlp(_architecture()).eval()
    images = torch.randn(2, *SHAPE)
    before = network(images)
    for name, parameter in network.named_parameters():
        if ".tasks.0." in name:
            parameter.add_(torch.randn_like(parameter))
    after = network(images)
    assert not torch.equal(before["near"], after["near"])
    assert torch.equal(before["far"], after["far"])
    assert torch.equal(before["sky"], after["sky"])


@pytest.mark.parametrize("gamma", [0.25, 0.5, 0.75])
def test_flops_follow_the_shared_part(gamma: float) -> None:
    """At equal primitives, ``gamma^2 + T (1 - gamma)`` of one encoder; the first layer, which reads images, without
    the square. Channels are multiples of 4, so nothing is rounded."""
    architecture = _architecture(width=2.0)
    reference = build_shared_network(architecture)
    encoder, heads = count_flops(reference.encoder, SHAPE), count_flops(reference, SHAPE)
    heads -= encoder
    first = 2 * 12 * 16 * 9 * 3 * 8
    views = 7 / 9  # seven primitives for nine taps
    private = len(TASKS) * (1 - gamma)
    expected = first * (gamma + private) + views * (encoder - first) * (gamma**2 + private) + heads
    assert count_flops(build_etr_nlp(architecture, gamma=gamma), SHAPE) == pytest.approx(expected, rel=1e-12)


@given(
    kernel=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5])),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    data=st.data(),
)
@settings(max_examples=40)
def test_views_are_fixed_convolutions_and_pools(
    kernel: tuple[int, int], stride: int, dilation: int, data: st.DataObject
) -> None:
    """Of the same stride, padding and dilation as the convolution that they stand in for."""
    fields = [dilation * (k - 1) + 1 for k in kernel]
    padding = tuple(data.draw(st.integers(0, field // 2)) for field in fields)
    convolution = nn.Conv2d(2, 2, kernel, stride=stride, padding=padding, dilation=dilation, groups=2, bias=False)
    bank, feature = PrimitiveBank(convolution), torch.randn(2, 2, 11, 9)
    views = bank(feature).detach().split(2, dim=1)
    assert len(views) == bank.num_views
    for (row, column), view in zip(bank.taps, views, strict=False):
        convolution.weight.data.zero_()
        convolution.weight.data[:, :, row, column] = 1
        assert torch.equal(view, convolution(feature).detach())
    assert torch.equal(views[-1], F.max_pool2d(feature, tuple(fields), stride, padding))  # type: ignore[arg-type]
    assert bool((views[-2] <= views[-1]).all())
    assert not list(bank.parameters())


@pytest.mark.parametrize(
    ("convolution", "reason"),
    [
        (nn.Conv2d(2, 2, 3, padding="same"), "pads by 'same'"),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), "in mode 'reflect'"),
        (nn.Conv2d(2, 2, 3, padding=2), "means and maxima cannot"),
    ],
)
def test_paddings_without_primitives_are_refused(convolution: nn.Conv2d, reason: str) -> None:
    with pytest.raises(SpaceError, match=reason):
        PrimitiveBank(convolution)


class _Dense(nn.Module):
    """Concatenations, a depthwise convolution and an excitation, with widths that no split divides evenly."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, padding=1)
        self.grow = nn.Conv2d(5, 7, 3, padding=1)
        self.norm = nn.BatchNorm2d(12)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.mix = nn.Conv2d(12, 11, 1)
        self.squeeze = nn.Conv2d(11, 11, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        stem = self.stem(images)
        mixed = self.mix(self.depthwise(self.norm(torch.cat([stem, self.grow(stem)], dim=1))))
        return [mixed * self.squeeze(mixed.mean((2, 3), keepdim=True)).sigmoid()]


def test_concatenations_depthwise_convolutions_and_excitations_are_divided() -> None:
    encoder = route_encoder(trace_network(_Dense(), SHAPE, name="dense"), TASKS, 0.5, name="dense").eval()
    images = torch.randn(2, *SHAPE)
    features = [own[0] for own in encoder(images)]
    assert [feature.shape for feature in features] == [(2, 11, 12, 16)] * 3
    num_shared = 11 // 2
    for feature in features[1:]:
        assert torch.equal(feature[:, :num_shared], features[0][:, :num_shared])
        assert not torch.equal(feature[:, num_shared:], features[0][:, num_shared:])


class _OneChannel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.attention(images)]


class _Grown(nn.Module):
    """Adds values whose channels are divided in different places: 3 of 8, and 1 of 3 with 2 of 5."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Conv2d(3, 8, 3, padding=1)
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.whole(images) + torch.cat([self.first(images), self.second(images)], dim=1)]


@pytest.mark.parametrize(
    ("module", "reason"),
    [(_OneChannel(), "attention of this one: it has one channel"), (_Grown(), "its operands are divided in other")],
)
def test_encoders_that_cannot_be_divided_are_refused(module: nn.Module, reason: str) -> None:
    traced = trace_network(module, SHAPE, name="this one")
    with pytest.raises(SpaceError, match=reason) as caught:
        route_encoder(traced, TASKS, 0.5, name="this one")
    assert caught.value.hint


def test_other_layers_with_weights_per_channel_are_refused() -> None:
    with pytest.raises(SpaceError, match="cannot divide act, a PReLU"):
        channel_wise_layer(nn.PReLU(4), 2, name="act")


@pytest.mark.parametrize("gamma", [0.0, 1.0, -1.0, float("nan")])
def test_gamma_is_a_part(gamma: float) -> None:
    with pytest.raises(SpaceError, match="gamma must be above 0 and below 1"):
        build_etr_nlp(_architecture(), gamma=gamma)


@pytest.mark.parametrize("weights", [{"pretrained": True}, {"weights": "file.pt"}])
def test_pretrained_weights_are_refused_rather_than_forgotten(weights: dict[str, object]) -> None:
    with pytest.raises(SpaceError, match="pretrained weights do not fit"):
        build_etr_nlp(replace(_architecture(), **weights))  # type: ignore[arg-type]


def test_references_are_refused() -> None:
    with pytest.raises(SpaceError, match="EtrNlpNetwork starts from no reference network"):
        build_etr_nlp(_architecture()).load_references({}, None)


@pytest.mark.parametrize("norm", [{"affine": False}, {"track_running_stats": False}, {}])
def test_route_encoder_gives_every_stream_a_norm_of_its_width_and_settings(norm: dict[str, bool]) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=0.1, **norm), nn.Conv2d(8, 8, 1))

    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = module

        def forward(self, images: Tensor) -> list[Tensor]:
            return [self.body(images)]

    routed = route_encoder(trace_network(Listed(), SHAPE, name="module"), TASKS, 0.25, name="module")
    assert [tuple(features[0].shape) for features in routed(torch.randn(2, *SHAPE))] == [(2, 8, 10, 14)] * 3
    norms = [layer for layer in routed.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [layer.num_features for layer in norms] == [2, 6, 6, 6]
    for layer in norms:
        assert (layer.eps, layer.affine) == (0.1, norm.get("affine", True))
        assert layer.track_running_stats is norm.get("track_running_stats", True)
