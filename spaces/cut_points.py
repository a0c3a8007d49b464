"""Where a network is one stream: the places of gates that choose per block or per stage."""

from collections.abc import Sequence

from torch import fx

from spaces.channels import ChannelRule, num_channels
from spaces.gate_layout import Granularity


def gate_places(graph: fx.Graph, granularity: Granularity) -> frozenset[fx.Node]:
    """The nodes that may hold a gate.

    ``conv``: all. ``block``: those that everything behind them reads the images through (a plain layer, the
    end of a residual block), features handed out aside. ``stage``: the last of these before the resolution
    changes, and those handed out as features.
    """
    nodes = [node for node in graph.nodes if node.op != "output"]
    if granularity == "conv":
        return frozenset(nodes)
    cuts = _cut_points(nodes)
    if granularity == "block":
        return frozenset(cuts)
    return frozenset(cut for cut, following in zip(cuts, [*cuts[1:], None], strict=True) if _ends_stage(cut, following))


def _cut_points(nodes: Sequence[fx.Node]) -> list[fx.Node]:
    """Nodes over which no other value passes. Sizes, parameters and the output's own reading do not count."""
    position = {node: index for index, node in enumerate(nodes)}
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


def _ends_stage(cut: fx.Node, following: fx.Node | None) -> bool:
    handed_out = any(user.op == "output" for user in cut.users)
    return handed_out or following is None or _resolution(following) != _resolution(cut)


def _resolution(node: fx.Node) -> tuple[int, ...]:
    axis = node.meta["channel_axis"]
    return tuple(size for index, size in enumerate(node.meta["batched_shape"]) if index != axis)
