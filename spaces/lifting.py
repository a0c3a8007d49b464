"""Where the gates of a traced backbone sit, and which layers each of them answers for."""

from dataclasses import dataclass

from torch import fx

from spaces.channels import ChannelRule, channel_axis, num_channels
from spaces.errors import UntraceableBackboneError


@dataclass(frozen=True, slots=True)
class Site:
    """A place where every task chooses, channel by channel, between its own value and the shared one.

    ``channel_flops`` is what one channel costs in one branch: the layers between the previous sites and
    this one whose outputs can be left out channel by channel.
    """

    node: fx.Node
    num_channels: int
    channel_axis: int
    channel_flops: int


@dataclass(frozen=True, slots=True)
class WholeCost:
    """An opaque operation: a branch pays all its FLOPs as soon as one channel of one of its sites needs it."""

    flops: int
    sites: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lifting:
    """The gate sites of a backbone in depth order, and the costs that are no sum over channels."""

    sites: tuple[Site, ...]
    whole_costs: tuple[WholeCost, ...]


def find_sites(traced: fx.GraphModule) -> Lifting:
    """Put a gate after every layer: at the last channel-wise node before its value is read by anything else.

    A convolution, its norm, activation, a residual addition and a depthwise convolution behind it thus share
    one gate. Gates are on *outputs*: with all of them shut no task runs a layer of its own, with all of them
    open no shared layer runs.

    Raises:
        UntraceableBackboneError: a layer's result leaves the backbone without passing a place for a gate.
    """
    pending: dict[fx.Node, frozenset[fx.Node]] = {}
    sites: list[Site] = []
    whole: dict[fx.Node, list[int]] = {}
    for node in traced.graph.nodes:
        layers = frozenset[fx.Node]().union(*(pending[source] for source in node.all_input_nodes))
        if not node.meta.get("has_tensor", True):
            layers = frozenset()  # a shape or a number is the same in every branch
        if node.op == "output":
            _refuse_ungated(layers)
            continue
        if _computes(node, traced):
            layers |= {node}
        if layers and _can_hold_gate(node) and not _continues(node):
            for layer in layers:
                if layer.meta["rule"] is ChannelRule.OPAQUE and layer.meta["flops"]:
                    whole.setdefault(layer, []).append(len(sites))
            sites.append(_site(node, layers))
            layers = frozenset()
        pending[node] = layers
    costs = tuple(WholeCost(flops=node.meta["flops"], sites=tuple(indices)) for node, indices in whole.items())
    return Lifting(sites=tuple(sites), whole_costs=costs)


def _computes(node: fx.Node, traced: fx.GraphModule) -> bool:
    """True if branches differ after this node: it has parameters, or it costs FLOPs."""
    if node.op == "call_module":
        return bool(node.meta["flops"]) or any(True for _ in traced.get_submodule(str(node.target)).parameters())
    return node.op == "get_attr" or bool(node.meta["flops"])


def _can_hold_gate(node: fx.Node) -> bool:
    return node.op != "get_attr" and node.meta["is_float"] and num_channels(node) is not None


def _continues(node: fx.Node) -> bool:
    """True if the value goes into one channel-wise node only: that node, or one after it, holds the gate."""
    users = list(node.users)
    return len(users) == 1 and users[0].meta["rule"] is ChannelRule.CHANNEL_WISE


def _site(node: fx.Node, layers: frozenset[fx.Node]) -> Site:
    channels, axis = num_channels(node), channel_axis(node.meta["shape"])
    if channels is None or axis is None:
        raise UntraceableBackboneError(f"{node.name} has no channel axis, so it cannot hold a gate.")
    prunable = (layer.meta["flops"] for layer in layers if layer.meta["rule"] is not ChannelRule.OPAQUE)
    return Site(node=node, num_channels=channels, channel_axis=axis, channel_flops=sum(f // channels for f in prunable))


def _refuse_ungated(layers: frozenset[fx.Node]) -> None:
    if layers:
        names = ", ".join(sorted(layer.name for layer in layers))
        raise UntraceableBackboneError(
            f"the results of {names} leave the backbone in a form that cannot hold a gate.",
            hint="Return tensors of shape [batch, channels, height, width] or [batch, channels].",
        )
