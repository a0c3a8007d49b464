"""Activation checkpointing changes what is kept, not what is computed."""

from itertools import accumulate

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from gatefront.spaces import Architecture, InterroGateNetwork, Task, build_gated_network

TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=3),
    Task(name="depth", kind="depth", num_outputs=1),
)


def _network(backbone: str) -> InterroGateNetwork:
    size = (48, 64) if backbone == "test_vit" else (32, 32)
    width = 0.5 if backbone == "test_vit" else 0.125
    architecture = Architecture(backbone=backbone, tasks=TASKS, in_channels=3, input_size=size, width=width)
    network = build_gated_network(architecture)
    for gate in network.channel_gates():
        nn.init.normal_(gate.alpha)
    return network.double()


def _step(network: InterroGateNetwork, images: Tensor) -> dict[str, Tensor]:
    """The gradients of one backward pass."""
    network.train().zero_grad()
    torch.stack([prediction.square().mean() for prediction in network(images).values()]).sum().backward()  # type: ignore[no-untyped-call]
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def _peak_bytes(network: InterroGateNetwork, images: Tensor) -> int:
    """The most memory that a step holds beyond what was there before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        _step(network, images)
    events = [(e.start_ns(), e.nbytes()) for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(accumulate(change for _, change in sorted(events)))


@pytest.mark.parametrize("backbone", ["resnet18", "test_vit"])
def test_gradients_and_statistics_are_the_same_and_less_is_kept(backbone: str) -> None:
    network = _network(backbone)
    frugal = _rebuilt(network, backbone)
    frugal.checkpoint_activations()
    images = torch.randn(16, 3, *network.architecture.input_size, dtype=torch.float64)
    expected = _step(network, images)
    found = _step(frugal, images)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)
    for (name, expected_value), value in zip(network.state_dict().items(), frugal.state_dict().values(), strict=True):
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, expected_value)
    assert _peak_bytes(frugal, images) < _peak_bytes(network, images)


def _rebuilt(network: InterroGateNetwork, backbone: str) -> InterroGateNetwork:
    twin = _network(backbone)
    twin.load_state_dict(network.state_dict())
    return twin
