"""Segments of an encoder, between which tasks can part."""

from collections.abc import Mapping
from typing import Literal

from torch import fx

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.stages import find_blocks, find_stages
from gatefront.spaces.graph.channel_rules import ChannelRule

Boundary = Literal["stage", "block"]


def find_boundaries(encoder: fx.GraphModule, boundary: Boundary, *, name: str) -> list[str]:
    """Return the names of the nodes that end segments, in depth order, without the encoder's own end.

    Args:
        encoder: an annotated graph.
        boundary: where segments may end.
        name: the encoder's name in messages.

    Raises:
        SpaceError: the encoder has no stages.
    """
    if boundary == "block":
        ends = find_blocks(encoder, name=name)
    else:
        ends = [stage.end for stage in find_stages(encoder, name=name)]
    return [end.name for end in ends[:-1]]


def segment_of_nodes(encoder: fx.GraphModule, ends: list[str]) -> Mapping[fx.Node, int]:
    """Return the segment of every node.

    A tensor of the backbone itself belongs to the first segment that reads it.

    Args:
        encoder: an annotated graph.
        ends: the names of the nodes that end segments, without the last segment's.

    Raises:
        SpaceError: an end is no node of the encoder, or the ends are not in depth order.
    """
    nodes = [node for node in encoder.graph.nodes if node.op != "output"]
    position = {node.name: index for index, node in enumerate(nodes)}
    known = [position.get(end, -1) for end in ends]
    if known != sorted(set(known)) or -1 in known:
        raise SpaceError(
            f"Cannot divide the encoder: segments end at its nodes, in depth order (found {', '.join(ends)}).",
            hint="Take the ends that the encoder's own stages or blocks have.",
        )
    found = {node: sum(index > end for end in known) for index, node in enumerate(nodes)}
    for node in reversed(nodes):
        if node.meta["rule"] is ChannelRule.PARAMETER:
            found[node] = min((found[user] for user in node.users if user in found), default=found[node])
    return found
