"""Operations of a traced network that can only be kept or left out as a whole."""

from dataclasses import dataclass

import torch
from torch import fx, nn

from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.graph.channel_rules import ChannelRule


@dataclass(frozen=True, slots=True)
class OpaqueOperation:
    """Operation inside which nothing is pruned. ``flops`` are those of one image, 2 per multiply-add."""

    name: str
    kind: str
    flops: int


def list_opaque_operations(traced: fx.GraphModule) -> list[OpaqueOperation]:
    """List the operations that no channel rule covers, in the order in which they run.

    Reshapes and concatenations are left out, because nothing inside them could be pruned.
    """
    return [
        OpaqueOperation(readable_name(node), _kind(node, traced), int(node.meta["flops"]))
        for node in traced.graph.nodes
        if node.meta["rule"] is ChannelRule.OPAQUE
        and node.meta["has_tensor"]
        and not is_reshape(node)
        and node.target is not torch.cat
    ]


def readable_name(node: fx.Node) -> str:
    """Return a node's name as the backbone spells it: ``layer1.0.act2`` rather than ``layer1_0_act2``."""
    return str(node.target) if node.op == "call_module" else node.name


def _kind(node: fx.Node, traced: fx.GraphModule) -> str:
    if node.op == "call_module":
        layer: nn.Module = traced.get_submodule(str(node.target))
        return type(layer).__name__
    return str(node.target) if node.op == "call_method" else str(getattr(node.target, "__name__", node.target))
