"""Activation checkpointing changes what is kept, not what is computed."""

import pytest
import torch
from torch import Tensor, nn

from spaces import Architecture, InterroGateNetwork, Task, build_gated_network

TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=3),
    Task(name="depth", kind="depth", num_outputs=1),
)


def _network(backbone: str) -> InterroGateNetwork:
    size = (48, 64) if backbone == "test_vit" else (32, 32)
    architecture = Architecture(backbone=backbone, tasks=TASKS, in_channels=3, input_size=size, width=0.5)
    network = build_gated_network(architecture)
    for gate in network.channel_gates():
        nn.init.normal_(gate.alpha)
    return network.double()


def _step(network: InterroGateNetwork, images: Tensor) -> tuple[dict[str, Tensor], int]:
    """Gradients of one backward pass, and the bytes of activations that the forward pass kept for it."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    network.train().zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = torch.stack([prediction.square().mean() for prediction in network(images).values()]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return gradients, sum(kept.values())


@pytest.mark.parametrize("backbone", ["resnet18", "test_vit"])
def test_gradients_and_statistics_are_the_same_and_less_is_kept(backbone: str) -> None:
    network = _network(backbone)
    frugal = _rebuilt(network, backbone)
    frugal.checkpoint_activations()
    images = torch.randn(4, 3, *network.architecture.input_size, dtype=torch.float64)
    expected, kept = _step(network, images)
    found, kept_by_frugal = _step(frugal, images)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)
    for (name, expected_value), value in zip(network.state_dict().items(), frugal.state_dict().values(), strict=True):
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, expected_value)
    assert kept_by_frugal < kept / 2


def _rebuilt(network: InterroGateNetwork, backbone: str) -> InterroGateNetwork:
    twin = _network(backbone)
    twin.load_state_dict(network.state_dict())
    return twin
