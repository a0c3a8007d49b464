"""A module of the user's own: every legal form of features is read, any other is refused in words."""

import sys
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task, build_gated_network, prune_network
from gatefront.spaces.backbones import create_backbone
from gatefront.spaces.graph.layers import DropPath
from gatefront.spaces.networks.encoder import build_encoder, feature_shapes

TASKS = (Task(name="depth", kind="depth", num_outputs=1), Task(name="label", kind="classification", num_outputs=3))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 5, 3, 2, 1)

    def forward(self, images: Tensor) -> Any:
        fine = self.first(images)
        return fine, self.second(fine)


class Dictionary(Two):
    def forward(self, images: Tensor) -> Any:
        return OrderedDict(zip(("fine", "coarse"), super().forward(images), strict=True))


class Hooked(Two):
    """Collects its features by hooks, which hold on to the very module that registers them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Tensor] = {}
        for name, layer in list(self.named_children()):
            layer.register_forward_hook(lambda _layer, _inputs, value, name=name: self.found.update({name: value}))

    def forward(self, images: Tensor) -> Any:
        super().forward(images)
        return [self.found["first"], self.found["second"]]


class Lazy(Two):
    def __init__(self) -> None:
        super().__init__()
        self.second = nn.LazyConv2d(5, 3, 2, 1)


class Record(Two):
    def forward(self, images: Tensor) -> Any:
        return object()


class Half(Two):
    def forward(self, images: Tensor) -> Any:
        return [feature.half() for feature in super().forward(images)]


class Prompt(Two):
    def __init__(self) -> None:
        super().__init__()
        self.prompt = nn.Parameter(torch.zeros(1, 4, 2, 2))

    def forward(self, images: Tensor) -> Any:
        return [*super().forward(images), self.prompt.expand(len(images), -1, -1, -1)]


class Selecting(Two):
    def forward(self, images: Tensor) -> Any:
        return [feature + images[images > -9].mean() for feature in super().forward(images)]


class Centering(Two):
    """Keeps a running mean that its next pass reads."""

    def __init__(self) -> None:
        super().__init__()
        self.center = nn.Buffer(torch.zeros(1))

    def forward(self, images: Tensor) -> Any:
        features = super().forward(images - self.center)
        self.center = 0.9 * self.center + 0.1 * images.mean()
        return features


_kept: list[nn.Module] = []


def one_for_all() -> nn.Module:
    """A factory that is none."""
    if not _kept:
        _kept.append(Two())
    return _kept[0]


def with_stochastic_depth() -> nn.Module:
    """A module as torchvision's networks are made of."""
    from gatefront.spaces.backbones.timm_import import import_timm

    import_timm()
    from torchvision.ops import StochasticDepth

    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), StochasticDepth(0.4, "row"))


@pytest.fixture(autouse=True)
def _user_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mynets_forms", sys.modules[__name__])


def _architecture(name: str) -> Architecture:
    return Architecture(
        backbone=f"mynets_forms:{name}", tasks=TASKS, in_channels=3, input_size=(16, 12), decoder_width=4
    )


@pytest.mark.parametrize("name", ["Two", "Dictionary", "Hooked", "Lazy"])
@torch.no_grad()
def test_build_encoder_of_features_in_any_form_reads_them_in_order(name: str) -> None:
    encoder = build_encoder(_architecture(name))
    assert feature_shapes(encoder) == [(1, 4, 8, 6), (1, 5, 4, 3)]
    pruned = prune_network(build_gated_network(_architecture(name)).eval())
    assert [tuple(output.shape) for output in pruned(torch.randn(2, 3, 16, 12))] == [(2, 1, 16, 12), (2, 3)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Record", "gives a object; it must give a tensor, a list of tensors or a dictionary of tensors"),
        ("Half", r"gives features of type float16; decoders read float32.*\.float\(\)"),
        ("Prompt", r"feature 3 of .* is the same for all images"),
        ("Selecting", "depends on values: the form of what nonzero gives depends on the values of a tensor"),
        ("Centering", r"the forward pass reads module\.center and replaces it by a value computed from the images"),
    ],
)
def test_build_encoder_of_other_features_is_refused(name: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        build_encoder(_architecture(name))


def test_factory_that_gives_one_module_twice_is_refused() -> None:
    create_backbone(_architecture("one_for_all"))
    with pytest.raises(SpaceError, match="gave the same module twice, so that networks would share weights"):
        create_backbone(_architecture("one_for_all"))


def test_stochastic_depth_of_torchvision_drops_the_same_images() -> None:
    encoder = build_encoder(_architecture("with_stochastic_depth")).train()
    drops = [module for module in encoder.modules() if isinstance(module, DropPath)]
    assert [drop.drop_prob for drop in drops] == [0.4]
    torch.manual_seed(0)
    features = encoder(torch.randn(64, 3, 16, 12))[0]
    dropped = features.flatten(1).abs().sum(dim=1) == 0
    assert 10 < int(dropped.sum()) < 45
