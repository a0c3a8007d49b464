"""Channel groups: layers of a traced graph that must keep the same number of channels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import fx

from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands

_COUPLES = (ChannelRule.CHANNEL_WISE, ChannelRule.GROUP_WISE, ChannelRule.ACROSS, ChannelRule.PARAMETER)


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Nodes with the same channels, because their values are added, multiplied or computed channel by channel.

    ``unit`` channels are kept or left out together: those of an attention head, or of a group of a convolution. The
    width of a group that is not ``is_scalable`` is fixed, because an opaque operation reads or gives all its channels.
    """

    nodes: tuple[fx.Node, ...]
    channels: int
    unit: int
    is_scalable: bool

    @property
    def num_units(self) -> int:
        return self.channels // self.unit


def find_channel_groups(graph: fx.Graph) -> list[ChannelGroup]:
    """Return the channel groups of an annotated graph, ordered by their first nodes."""
    return [_group(nodes) for nodes in _couple(graph)]


def scalable_groups(graph: fx.Graph) -> list[ChannelGroup]:
    """Return the groups whose widths can be changed, in the order in which lists of layer widths name them."""
    return [group for group in find_channel_groups(graph) if group.is_scalable]


def group_of_nodes(groups: Sequence[ChannelGroup]) -> Mapping[fx.Node, ChannelGroup]:
    """Return the group of every node that has channels."""
    return {node: group for group in groups for node in group.nodes}


def is_flattening(node: fx.Node) -> bool:
    """Return True for a node that turns a map into a vector, channel after channel."""
    if not is_reshape(node):
        return False
    source = node.all_input_nodes[0]
    is_vector = len(node.meta["batched_shape"]) == 2
    return is_vector and len(source.meta["batched_shape"]) == 4 and source.meta["channel_axis"] == 1


def _couple(graph: fx.Graph) -> list[tuple[fx.Node, ...]]:
    """Divide the nodes that have channels into groups, by union-find over operations that keep channels apart."""
    parent: dict[fx.Node, fx.Node] = {}

    def root(node: fx.Node) -> fx.Node:
        while parent[node] is not node:
            node = parent[node]
        return node

    def join(one: fx.Node, other: fx.Node) -> None:
        if one in parent and other in parent:
            parent[root(one)] = root(other)

    first_use: dict[str, fx.Node] = {}
    for node in graph.nodes:
        if node.op == "output":
            continue
        if num_channels(node) is not None:
            parent[node] = node
            for source in tensor_operands(node) if node.meta["rule"] in _COUPLES else ():
                join(source, node)
        if node.op == "get_attr" or (node.op == "call_module" and _has_state(node)):
            # A layer that runs at several places reads and gives the same channels at each of them.
            first = first_use.setdefault(str(node.target), node)
            join(first, node)
            for source, other in zip(tensor_operands(first), tensor_operands(node), strict=True):
                join(source, other)
    members: dict[fx.Node, list[fx.Node]] = {}
    for node in parent:
        members.setdefault(root(node), []).append(node)
    return [tuple(nodes) for nodes in members.values()]


def _has_state(node: fx.Node) -> bool:
    """Return True for a layer with parameters or buffers. One without, such as a dropout, runs at any width."""
    root = node.graph.owning_module
    if root is None:
        return True
    layer = root.get_submodule(str(node.target))
    return any(True for _ in (*layer.parameters(), *layer.buffers()))


def _group(nodes: tuple[fx.Node, ...]) -> ChannelGroup:
    return ChannelGroup(
        nodes=nodes,
        channels=num_channels(nodes[0]) or 0,
        unit=math.lcm(*(node.meta.get("group_size", 1) for node in nodes)),
        is_scalable=not any(_is_fixed(node) for node in nodes),
    )


def _is_fixed(node: fx.Node) -> bool:
    read_whole = any(
        user.meta["rule"] is ChannelRule.OPAQUE and not is_flattening(user)
        for user in node.users
        if user.meta["has_tensor"]
    )
    return read_whole or node.meta["rule"] in (ChannelRule.INPUT, ChannelRule.OPAQUE)
