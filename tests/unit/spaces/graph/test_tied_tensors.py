"""Layers that share a weight: it stays one weight, or the operation that would part it is refused."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task, build_gated_network, compact_network
from gatefront.spaces.graph.tied_tensors import targets_that_share
from gatefront.spaces.tracing.trace import trace_network

LABEL = Task(name="label", kind="classification", num_outputs=3)


class SharedWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.second.weight = self.first.weight

    def forward(self, images: Tensor) -> Tensor:
        return self.second(F.relu(self.first(self.stem(images))))  # type: ignore[no-any-return]


class WeightReadAgain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 1)

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(F.relu(self.first(self.stem(images))), self.first.weight)


KINDS: dict[str, set[str]] = {
    "SharedWeight": {"module.first", "module.second"},
    "WeightReadAgain": {"module.first", "module.first.weight"},
}


def _architecture(name: str, monkeypatch: pytest.MonkeyPatch, width: float) -> Architecture:
    monkeypatch.setitem(sys.modules, "mynets_tied", sys.modules[__name__])
    return Architecture(
        backbone=f"mynets_tied:{name}", tasks=(LABEL,), in_channels=3, input_size=(8, 8), decoder_width=4, width=width
    )


@pytest.mark.parametrize("name", KINDS)
def test_targets_that_share_names_both_holders(name: str) -> None:
    traced = trace_network(globals()[name](), (3, 8, 8), name="module")
    assert targets_that_share(traced) == {target.removeprefix("module.") for target in KINDS[name]}


@pytest.mark.parametrize("name", KINDS)
def test_compact_network_of_shared_weight_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compact_network(build_gated_network(_architecture(name, monkeypatch, 1.0))) is None


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("width", [0.5, 1.5])
def test_width_that_would_part_a_shared_weight_is_refused(
    name: str, width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SpaceError, match=rf"width = {width} would part the weight that module\.first shares"):
        build_gated_network(_architecture(name, monkeypatch, width))


def test_compact_network_of_layers_with_weights_of_their_own_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    class Apart(SharedWeight):
        def __init__(self) -> None:
            super().__init__()
            self.second = nn.Conv2d(8, 8, 1)

    monkeypatch.setattr(sys.modules[__name__], "SharedWeight", Apart)
    network = build_gated_network(_architecture("SharedWeight", monkeypatch, 1.0))
    assert torch.nn.utils.parameters_to_vector(compact_network(network).parameters()).numel()  # type: ignore[union-attr]
