"""Activation checkpointing of families changes what is kept, not what is computed."""

import copy

import pytest
import torch
from torch import Tensor

from gatefront.spaces import Architecture, Task
from gatefront.spaces.families import FAMILIES, FamilyNetwork, build_family, plain_network
from gatefront.spaces.networks.segments import SegmentedRun

pytestmark = pytest.mark.usefixtures("_traced_once")

TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=3),
    Task(name="depth", kind="depth", num_outputs=1),
)
SMALL = Architecture(backbone="resnet18", tasks=TASKS, in_channels=3, input_size=(32, 32), width=0.125)


def _step(network: FamilyNetwork, images: Tensor) -> tuple[dict[str, Tensor], int]:
    """The gradients of one backward pass, and how many bytes the forward pass kept for it."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    network.train().zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = torch.stack([prediction.square().mean() for prediction in network(images).values()]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}, sum(kept.values())


@pytest.mark.parametrize("family", list(FAMILIES))
def test_gradients_and_statistics_are_the_same_and_less_is_kept(family: str) -> None:
    network = build_family(family, SMALL).double()
    frugal = copy.deepcopy(network)
    frugal.checkpoint_activations()
    frugal = copy.deepcopy(frugal)  # as `plain_network` copies it
    images = torch.randn(8, 3, 32, 32, dtype=torch.float64)
    (expected, much), (found, little) = _step(network, images), _step(frugal, images)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)
    for (name, value), again in zip(network.state_dict().items(), frugal.state_dict().values(), strict=True):
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(again, value)
    assert little < 0.7 * much


@torch.no_grad()
def test_what_is_evaluated_and_exported_is_the_network_itself() -> None:
    network = build_family("mtan", SMALL)
    network.checkpoint_activations()
    images = torch.randn(2, 3, 32, 32)
    expected = network.eval()(images)
    plain = plain_network(network)
    for name, found in zip(plain.task_names, plain(images), strict=True):
        torch.testing.assert_close(found, expected[name], rtol=1e-3, atol=1e-4)
    direct, segmented = network.encoder(images), SegmentedRun(network.encoder)(images)
    for features, again in zip(direct, segmented, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(features, again, strict=True))
