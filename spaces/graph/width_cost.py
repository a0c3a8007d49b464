"""FLOPs of a traced graph as a function of the channels of its layers, without building the layers."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from torch import fx

from gatefront.spaces.graph.channel_groups import ChannelGroup, find_channel_groups, is_flattening
from gatefront.spaces.graph.channel_rules import ChannelRule, tensor_operands


@dataclass(frozen=True, slots=True)
class CostTerm:
    """Cost of one node: ``flops`` at the graph's own widths, proportional to the widths of its ``groups``.

    ``own`` is the product of the graph's own widths of these groups.
    """

    node: fx.Node
    flops: int
    groups: tuple[int, ...]
    own: int


class WidthCost:
    """Cost of an annotated graph for any channels of its scalable groups.

    A layer that reads all channels costs in proportion to its input and output channels, any other node in proportion
    to its output channels. Opaque operations cost the same at all widths, because their groups cannot be scaled.
    """

    def __init__(self, graph: fx.Graph) -> None:
        groups = find_channel_groups(graph)
        self.groups: tuple[ChannelGroup, ...] = tuple(group for group in groups if group.is_scalable)
        self._position = {node: index for index, group in enumerate(self.groups) for node in group.nodes}
        self._terms = tuple(self._term(node) for node in graph.nodes if node.meta.get("flops"))

    @property
    def own_widths(self) -> tuple[int, ...]:
        """Channels of each scalable group in the graph itself."""
        return tuple(group.channels for group in self.groups)

    def terms(self, nodes: Container[fx.Node]) -> tuple[CostTerm, ...]:
        """Return the costs of some nodes, for :meth:`flops`."""
        return tuple(term for term in self._terms if term.node in nodes)

    def flops(self, widths: Sequence[int], terms: Sequence[CostTerm] | None = None) -> int:
        """Return the exact FLOPs, at 2 per multiply-add, for one image.

        Args:
            widths: channels by scalable group.
            terms: what to count. None means the whole graph.
        """
        total = 0
        for term in self._terms if terms is None else terms:
            scaled = term.flops
            for group in term.groups:
                scaled *= widths[group]
            total += scaled // term.own
        return total

    def channels(self, node: fx.Node, widths: Sequence[int]) -> int | None:
        """Return the channels of a node's value at these widths, or None if they are the graph's own."""
        if is_flattening(node):
            source = node.all_input_nodes[0]
            _, _, height, width = source.meta["batched_shape"]
            channels = self.channels(source, widths)
            return None if channels is None else channels * int(height) * int(width)
        position = self._position.get(node)
        return None if position is None else widths[position]

    def group_of(self, node: fx.Node) -> int | None:
        """Return the position of a node's scalable group, also for a flattened map; None if it has none."""
        return self.group_of(node.all_input_nodes[0]) if is_flattening(node) else self._position.get(node)

    def _term(self, node: fx.Node) -> CostTerm:
        read = [node]
        if node.meta["rule"] is ChannelRule.DENSE:
            read += tensor_operands(node)[:1]
        found = tuple(position for one in read if (position := self.group_of(one)) is not None)
        own = 1
        for position in found:
            own *= self.groups[position].channels
        return CostTerm(node=node, flops=int(node.meta["flops"]), groups=found, own=own)
