"""Tensors of a network that its graph uses at more than one place."""

import operator
from collections import Counter

from torch import Tensor, fx, nn


def tensors_of(node: fx.Node, traced: nn.Module) -> list[Tensor]:
    """List the parameters and buffers that a node uses, each once."""
    if node.op == "get_attr":
        return [operator.attrgetter(str(node.target))(traced)]
    if node.op != "call_module":
        return []
    layer = traced.get_submodule(str(node.target))
    return [*layer.parameters(), *layer.buffers()]


def targets_that_share(traced: fx.GraphModule) -> set[str]:
    """Return the names of layers and tensors that hold a parameter which another layer, or another name, holds too."""
    nodes = {str(node.target): node for node in traced.graph.nodes if node.op in ("call_module", "get_attr")}
    holders = Counter(id(tensor) for node in nodes.values() for tensor in tensors_of(node, traced))
    return {
        target for target, node in nodes.items() if any(holders[id(tensor)] > 1 for tensor in tensors_of(node, traced))
    }
