"""Dropout before the last layers: in training alone, on every kind of network, and gone afterwards."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.families import build_family
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.spaces.pruning.compact_network import compact_network
from gatefront.trainer.loop.head_dropout import head_dropout, last_layers

TASKS = (
    Task(name="classes", kind="classification", num_outputs=7),
    Task(name="depth", kind="depth", num_outputs=1),
)
IMAGES = torch.randn(4, 3, 16, 24)


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    return Architecture(backbone="smallconv", tasks=TASKS, in_channels=3, input_size=(16, 24), decoder_width=8)


@pytest.mark.parametrize("kind", ["family", "gated", "compact"])
def test_last_layers_are_those_of_the_predictions(kind: str, architecture: Architecture) -> None:
    network: nn.Module | None = None
    if kind == "family":
        network = build_family("hard-sharing", architecture, {})
    else:
        gated = build_gated_network(architecture)
        gated.freeze_gates()
        network = gated if kind == "gated" else compact_network(gated)
    assert network is not None
    layers = last_layers(network)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.Conv2d]
    assert [layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels for layer in layers] == [7, 1]  # type: ignore[union-attr]


def test_drops_in_training_alone(architecture: Architecture) -> None:
    network = build_family("hard-sharing", architecture, {}).eval()
    with torch.no_grad():
        before = network(IMAGES)
        with head_dropout(network, 0.5):
            in_evaluation = network(IMAGES)
            for layer in last_layers(network):
                layer.train()
            in_training = network(IMAGES)
        after = network(IMAGES)
    for name, prediction in before.items():
        assert torch.equal(prediction, in_evaluation[name])
        assert torch.equal(prediction, after[name])
        assert not torch.equal(prediction, in_training[name])


def test_maps_lose_whole_channels_and_the_rest_is_scaled() -> None:
    seen: list[torch.Tensor] = []
    network = Watched(lambda value: seen.append(value))
    with head_dropout(network, 0.5):
        network(torch.ones(50, 4, 2, 3))
    (values,) = seen
    per_channel = values.flatten(2)
    assert torch.equal(per_channel.amin(dim=2), per_channel.amax(dim=2))
    assert set(values.unique().tolist()) == {0.0, 2.0}
    assert 0.3 < float((values == 0).float().mean()) < 0.7


def test_probability_of_zero_changes_nothing(architecture: Architecture) -> None:
    network = build_family("hard-sharing", architecture, {})
    with head_dropout(network, 0.0):
        assert not any(layer._forward_pre_hooks for layer in last_layers(network))


class Watched(nn.Module):
    """A head of one convolution whose input is shown."""

    def __init__(self, show: Callable[[torch.Tensor], None]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({"depth": nn.Conv2d(4, 1, 1)})
        self._show = show

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        layer = self.heads["depth"]
        handle = layer.register_forward_hook(lambda _layer, inputs, _output: self._show(inputs[0]))
        result: torch.Tensor = layer(images)
        handle.remove()
        return result
