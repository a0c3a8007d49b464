"""Backbones of users that once ended in a traceback: built and pruned exactly, or refused in words."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatefront.spaces import (
    Architecture,
    InterroGateNetwork,
    PlainNetwork,
    SpaceError,
    Task,
    build_gated_network,
    count_flops,
    count_parameters,
    prune_network,
)
from gatefront.spaces.graph.channel_rules import ChannelRule
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.networks.equivalence import randomize

TASKS = (Task(name="depth", kind="depth", num_outputs=1), Task(name="label", kind="classification", num_outputs=3))
SHAPE = (3, 24, 20)


class BatchStatistics(nn.Module):
    """Norms by the statistics of the images at hand, in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 6, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.last(F.relu(self.norm(self.first(images))))
        return result


class AcrossImages(nn.Module):
    """Attends from image to image: its products are of the batch with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        tokens = x.mean(1).flatten(1)
        return x + ((tokens @ tokens.T).softmax(-1) @ tokens).unflatten(1, x.shape[2:]).unsqueeze(1)


class LayersUsedTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.body, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8)
        self.linear, self.scale = nn.Linear(8, 8), nn.Parameter(torch.randn(1, 8, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        for _ in range(2):
            x = F.relu(self.norm(self.body(x))) * self.scale
        return self.linear(self.linear(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class LastNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.LayerNorm(8)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.conv(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class LastNormChannelsLast(LastNorm):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).permute(0, 2, 3, 1)


class Checking(nn.Module):
    """Takes tensors alone, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, feature: Tensor) -> Tensor:
        if not isinstance(feature, Tensor) or not torch.is_tensor(feature):
            raise TypeError("a tensor is wanted")
        return self.conv(feature)  # type: ignore[no-any-return]


class Resisting(Checking):
    """Cannot be traced into, so that it is kept whole."""

    def forward(self, feature: Tensor) -> Tensor:
        if type(feature).__name__ == "ConcreteProxy":
            raise RuntimeError("a proxy is not wanted")
        return super().forward(feature) * 2.0


class AroundChecking(nn.Module):
    def __init__(self, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Conv2d(3, 8, 3, 2, 1), inner or Checking(), nn.Conv2d(8, 6, 1)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.last(F.relu(self.inner(self.first(images))))
        return result


class AroundResisting(AroundChecking):
    def __init__(self) -> None:
        super().__init__(Resisting())


class Padded(nn.Module):
    """Convolutions that fill their borders with something else than zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1, padding_mode="reflect")
        self.norm, self.last = nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3, 2, 1, padding_mode="circular")

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.last(F.relu(self.norm(self.first(images))))
        return result


class WeightsByFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(8, 3, 3, 3)), nn.Parameter(torch.randn(8))
        self.last = nn.Conv2d(8, 6, 1)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.last(F.relu(F.conv2d(images, self.weight, self.bias, stride=2)))
        return result


class MovedBetweenDevices(nn.Module):
    """Names the device of its input, which is not that of the trace when it trains elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.conv = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 6, 3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(self.first(images.to(images.device)))
        offset = x.new_zeros(1, device=x.device).to("cpu", torch.float32)
        return x + torch.zeros_like(x, device=x.device).cpu() + offset


EXACT = {
    "LayersUsedTwice": LayersUsedTwice,
    "LastNorm": LastNorm,
    "AroundChecking": AroundChecking,
    "AroundResisting": AroundResisting,
    "Padded": Padded,
    "WeightsByFunction": WeightsByFunction,
    "MovedBetweenDevices": MovedBetweenDevices,
}


@pytest.fixture(autouse=True)
def _user_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mynets_encoder", sys.modules[__name__])


def _architecture(name: str, **changes: object) -> Architecture:
    fields: dict[str, object] = {"tasks": TASKS, "in_channels": 3, "input_size": SHAPE[1:], "decoder_width": 4}
    return Architecture(backbone=f"mynets_encoder:{name}", **(fields | changes))  # type: ignore[arg-type]


def _randomly_gated(architecture: Architecture) -> InterroGateNetwork:
    network = build_gated_network(architecture)
    generator = torch.Generator().manual_seed(0)
    randomize(network, generator)
    network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < 0.4 for p in network.gate_pattern()))
    return network


@pytest.mark.parametrize("with_weights", [False, True])
@pytest.mark.parametrize("width", [1.0, 0.5])
@pytest.mark.parametrize("name", EXACT)
def test_pruned_network_of_unusual_backbone_equals_the_gated_one(
    name: str, width: float, with_weights: bool, tmp_path: Path
) -> None:
    weights = None
    if with_weights:
        torch.save(EXACT[name]().state_dict(), tmp_path / "weights.pt")
        weights = str(tmp_path / "weights.pt")
    network = _randomly_gated(_architecture(name, width=width, weights=weights))
    images = torch.randn(3, *SHAPE)
    predictions = network.train()(images)
    torch.stack([prediction.square().mean() for prediction in predictions.values()]).sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        pruned, expected = prune_network(network.eval()), network(images)
        for found, wanted in zip(pruned(images), expected.values(), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert count_flops(pruned, SHAPE) == network.flops()


@pytest.mark.parametrize("name", [name for name in EXACT if name != "AroundResisting"])
@torch.no_grad()
def test_pruned_network_of_unusual_backbone_survives_json_with_every_parameter(name: str) -> None:
    pruned = prune_network(_randomly_gated(_architecture(name)).eval())
    rebuilt = PlainNetwork.from_json(pruned.architecture_json(), pruned.tensors())
    images = torch.randn(3, *SHAPE)
    for found, expected in zip(rebuilt(images), pruned(images), strict=True):
        assert torch.equal(found, expected)
    assert count_parameters(rebuilt) == count_parameters(pruned)


def test_count_parameters_counts_weights_that_a_function_uses() -> None:
    network = build_gated_network(_architecture("WeightsByFunction", tasks=TASKS[1:]))
    network.set_gate_pattern(tuple(torch.ones_like(p) for p in network.gate_pattern()))
    pruned = prune_network(network.eval())
    assert count_parameters(pruned) == (8 * 27 + 8) + (6 * 8 + 6) + (3 * 6 + 3)


def test_layer_that_resists_tracing_alone_is_kept_whole() -> None:
    encoder = build_encoder(_architecture("AroundResisting"))
    opaque = [node.target for node in encoder.graph.nodes if node.meta["rule"] is ChannelRule.OPAQUE]
    assert opaque == ["module.inner"]


def test_build_encoder_of_features_with_channels_last_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"feature 1 of .* has its channels on axis 3 of \[1, 12, 10, 8\].*Permute it"):
        build_encoder(_architecture("LastNormChannelsLast"))


def test_traced_graph_names_no_device() -> None:
    encoder = build_encoder(_architecture("MovedBetweenDevices"))
    for node in encoder.graph.nodes:
        leaves: list[object] = []
        torch.fx.node.map_aggregate((node.args, node.kwargs), leaves.append)
        assert not any(isinstance(leaf, torch.device | str) for leaf in leaves)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("BatchStatistics", r"gives an image other features alone than beside others: feature 1 of 1 differs by .* %"),
        ("AcrossImages", r"(other features alone than beside others|grows faster than the batch)"),
    ],
)
def test_build_encoder_of_backbone_whose_images_look_at_each_other_is_refused(name: str, reason: str) -> None:
    with pytest.raises(SpaceError, match=reason):
        build_encoder(_architecture(name))
