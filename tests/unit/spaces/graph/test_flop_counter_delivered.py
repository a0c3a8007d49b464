"""The FLOPs of delivered networks, against a formula per layer that shares no code with the counter."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, Task, build_gated_network, build_shared_network, count_flops, prune_network
from gatefront.spaces.graph.attention import HeadAttention

TASKS = (Task(name="depth", kind="depth", num_outputs=1), Task(name="label", kind="classification", num_outputs=5))


def _flops_by_layer(network: nn.Module, shape: tuple[int, int, int]) -> int:
    """Sum 2 FLOPs per multiply-add over convolutions, linear layers and attention, from weights and shapes."""
    total = 0

    def add(layer: nn.Module, args: tuple[Any, ...], result: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            reads = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
            total += 2 * result.numel() * reads
        elif isinstance(layer, nn.Linear):
            total += 2 * result.numel() * layer.in_features
        else:
            queries, keys, values = args
            pairs = queries.shape[0] * queries.shape[1] * keys.shape[1]
            total += 2 * pairs * (keys.shape[2] + values.shape[2])

    kinds = (nn.Conv2d, nn.Linear, HeadAttention)
    hooks = [layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        network(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ("smallconv", 16),
        ("resnet20", 32),
        ("resnet18", 64),
        ("mobilenetv3_small_100", 64),
        ("regnety_002", 64),
        ("test_convnext2", 64),
        ("test_vit2", 32),
        ("pvt_v2_b0", 64),
        ("dla46_c", 64),
    ],
)
def test_count_flops_of_delivered_network_is_the_sum_over_its_layers(backbone: str, size: int) -> None:
    architecture = Architecture(
        backbone=backbone, tasks=TASKS, in_channels=3, input_size=(size, size), width=0.5, decoder_width=8
    )
    network = build_gated_network(architecture).eval()
    generator = torch.Generator().manual_seed(0)
    network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < 0.4 for p in network.gate_pattern()))
    pruned, shape = prune_network(network), (3, size, size)
    assert _flops_by_layer(pruned, shape) == count_flops(pruned, shape) == network.flops()
    shared = build_shared_network(architecture).eval()
    assert _flops_by_layer(shared, shape) == count_flops(shared, shape) == network.cost.hard_sharing
