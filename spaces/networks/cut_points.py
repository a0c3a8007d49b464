"""Places where a network is one stream, for gates that choose per block or per stage."""

from collections.abc import Sequence

from torch import fx

from gatefront.spaces.gating.gate_layout import Granularity
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands


def gate_places(graph: fx.Graph, granularity: Granularity) -> frozenset[fx.Node]:
    """Return the nodes that may hold a gate.

    ``conv`` allows all nodes. ``block`` allows a node if everything behind it reads the images only through it, except
    for features that are handed out. Examples are a plain layer and the end of a residual block. ``stage`` allows the
    last of these before the resolution changes, and those handed out as features.
    """
    nodes = [node for node in graph.nodes if node.op != "output"]
    if granularity == "conv":
        return frozenset(nodes)
    aside = _leading_out(nodes)
    cuts = _cut_points(nodes, aside)
    if granularity == "block":
        return frozenset(cuts)
    following = [*cuts[1:], None]
    return frozenset(cut for cut, after in zip(cuts, following, strict=True) if _ends_stage(cut, after, aside))


def _leading_out(nodes: Sequence[fx.Node]) -> frozenset[fx.Node]:
    """Return nodes that cost nothing, read one value and lead to the output alone, as features are handed out.

    A node that reads two values is a residual addition. It is left out, because the last block's body must not pass for
    a separate stream.
    """
    aside: set[fx.Node] = set()
    for node in reversed(nodes):
        hands_out = not node.meta["flops"] and len(tensor_operands(node)) <= 1
        if hands_out and all(user.op == "output" or user in aside for user in node.users):
            aside.add(node)
    return frozenset(aside)


def _cut_points(nodes: Sequence[fx.Node], aside: frozenset[fx.Node]) -> list[fx.Node]:
    """Return nodes that no other value bypasses. Sizes, parameters and features that only leave do not count."""
    position = {node: index for index, node in enumerate(nodes) if node not in aside}
    last_use = {node: max((position[u] for u in node.users if u in position), default=-1) for node in nodes}
    cuts: list[fx.Node] = []
    reach = -1
    for index, node in enumerate(nodes):
        if node.meta["rule"] in (ChannelRule.PARAMETER, ChannelRule.INPUT) or not node.meta["has_tensor"]:
            continue
        if reach <= index and num_channels(node) is not None:
            cuts.append(node)
        reach = max(reach, last_use[node])
    return cuts


def _ends_stage(cut: fx.Node, following: fx.Node | None, aside: frozenset[fx.Node]) -> bool:
    handed_out = cut not in aside and any(user.op == "output" or user in aside for user in cut.users)
    return handed_out or following is None or _resolution(following) != _resolution(cut)


def _resolution(node: fx.Node) -> tuple[int, ...]:
    axis = node.meta["channel_axis"]
    return tuple(size for index, size in enumerate(node.meta["batched_shape"]) if index != axis)
