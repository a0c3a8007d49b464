"""Dropout on what the last layer of every task reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import fx, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from gatefront.spaces.pruning.compact_network import CompactNetwork


@contextmanager
def head_dropout(network: nn.Module, probability: float) -> Iterator[None]:
    """Zero values that the last layers read, with this probability, while the network is in training mode.

    Vectors lose single values, maps whole channels, because neighboring pixels repeat each other (Tompson et al. 2015).
    """
    handles: list[RemovableHandle] = []
    if probability > 0:

        def drop(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            first, *others = inputs
            function = F.dropout2d if first.ndim == 4 else F.dropout
            return (function(first, probability, layer.training), *others)

        handles = [layer.register_forward_pre_hook(drop) for layer in last_layers(network)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def last_layers(network: nn.Module) -> list[nn.Module]:
    """Return the convolution or linear layer that each task's prediction comes from."""
    if isinstance(network, CompactNetwork):
        (output,) = (node for node in network.body.graph.nodes if node.op == "output")
        return [_layer_behind(node, network.body) for node in output.args[0]]
    heads: Any = getattr(network, "heads", None)
    return [] if heads is None else [_last_layer(head) for head in heads.values()]


def _last_layer(head: nn.Module) -> nn.Module:
    # Decoders register their layers in the order in which they run.
    return [module for module in head.modules() if isinstance(module, nn.Conv2d | nn.Linear)][-1]


def _layer_behind(node: fx.Node, body: fx.GraphModule) -> nn.Module:
    """Return the nearest layer that this value is computed from, through functions such as a resizing."""
    while True:
        if node.op == "call_module":
            module = body.get_submodule(str(node.target))
            if isinstance(module, nn.Conv2d | nn.Linear):
                return module
        node = node.all_input_nodes[0]
