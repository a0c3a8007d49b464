"""Positions of the gates of a traced backbone, and the layers that each of them controls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import fx

from gatefront.spaces.errors import SpaceError, UntraceableBackboneError
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands
from gatefront.spaces.networks.cut_points import gate_places

_KEEPS_CHANNELS_APART = (ChannelRule.CHANNEL_WISE, ChannelRule.GROUP_WISE)


@dataclass(frozen=True, slots=True)
class Site:
    """Place where every task chooses, channel group by channel group, between its own value and the shared one.

    ``channel_flops`` is the cost of one channel in one branch. It covers the layers between the previous sites and this
    one whose outputs can be left out channel by channel. The last group may be smaller.
    """

    node: fx.Node
    num_channels: int
    channel_axis: int
    channel_flops: int
    group_size: int = 1


@dataclass(frozen=True, slots=True)
class WholeCost:
    """Layers that a branch pays in full as soon as one channel of one of their sites needs them."""

    flops: int
    sites: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lifting:
    """Gate sites of a backbone in depth order, and the costs that are no sum over channels."""

    sites: tuple[Site, ...]
    whole_costs: tuple[WholeCost, ...]


@dataclass(slots=True)
class _Pending:
    """Layers whose result has passed no gate yet. A *direct* layer's channels are those of the present value."""

    direct: frozenset[fx.Node] = frozenset()
    inner: frozenset[fx.Node] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.direct or self.inner)

    @property
    def layers(self) -> frozenset[fx.Node]:
        return self.direct | self.inner


@dataclass(slots=True)
class _Search:
    layout: GateLayout
    places: frozenset[fx.Node]
    sites: list[Site] = field(default_factory=list)
    whole: dict[fx.Node, list[int]] = field(default_factory=dict)
    by_channel: dict[fx.Node, list[int]] = field(default_factory=dict)


def find_sites(traced: fx.GraphModule, layout: GateLayout | None = None) -> Lifting:
    """Put a gate after every layer, at the last channel-wise node before anything else reads its value.

    A convolution, its norm, activation, a residual addition and a depthwise convolution behind it thus share one gate.
    The query, key and value layers of an attention and its heads share one, too. Gates are on *outputs*. With all of
    them shut no task runs its own layers, and with all of them open no shared layer runs. Coarser granularities keep a
    gate only where :func:`gatefront.spaces.networks.cut_points.gate_places` allows one.

    Raises:
        UntraceableBackboneError: a layer's result leaves the backbone without passing a place for a gate.
        SpaceError: a layer has fewer channels than a channel group.
    """
    layout = layout or GateLayout()
    search = _Search(layout, gate_places(traced.graph, layout.granularity))
    pending: dict[fx.Node, _Pending] = {}
    for node in traced.graph.nodes:
        if node.op == "output":
            _refuse_ungated(node, pending)
            break
        here = _arriving(node, pending)
        if _computes(node, traced):
            here = _Pending(here.direct | {node}, here.inner)
        if _takes_gate(node, here, search):
            _add_site(node, here, search)
            here = _Pending()
        pending[node] = here
    costs: dict[tuple[int, ...], int] = {}
    for layer, indices in search.whole.items():
        costs[tuple(indices)] = costs.get(tuple(indices), 0) + int(layer.meta["flops"])
    _refuse_divided_layers(search)
    whole_costs = tuple(WholeCost(flops=flops, sites=indices) for indices, flops in costs.items())
    return Lifting(sites=tuple(search.sites), whole_costs=whole_costs)


def _arriving(node: fx.Node, pending: Mapping[fx.Node, _Pending]) -> _Pending:
    """Return the pending layers of the node's operands. Behind a node that mixes channels all of them are inner."""
    if not node.meta["has_tensor"]:
        return _Pending()  # a size or a number is the same in every branch
    sources = [pending[source] for source in tensor_operands(node)]
    direct = frozenset[fx.Node]().union(*(source.direct for source in sources))
    inner = frozenset[fx.Node]().union(*(source.inner for source in sources))
    if node.meta["rule"] not in (*_KEEPS_CHANNELS_APART, ChannelRule.PARAMETER):
        direct, inner = frozenset(), inner | direct
    return _Pending(direct - inner, inner)


def _computes(node: fx.Node, traced: fx.GraphModule) -> bool:
    """Return True if branches differ after this node, because it has parameters or costs FLOPs."""
    if node.op == "call_module":
        return bool(node.meta["flops"]) or any(True for _ in traced.get_submodule(str(node.target)).parameters())
    return node.op == "get_attr" or bool(node.meta["flops"])


def _takes_gate(node: fx.Node, here: _Pending, search: _Search) -> bool:
    """Return True if a gate belongs behind this node.

    That is so where a layer with a cost was computed, or where a norm would leave the backbone ungated.
    """
    if not here or not _can_hold_gate(node):
        return False
    if any(user.op == "output" for user in node.users):
        return True
    costs = any(layer.meta["flops"] for layer in here.layers)
    return costs and node in search.places and not _continues(node)


def _can_hold_gate(node: fx.Node) -> bool:
    rule = node.meta["rule"]
    return rule is not ChannelRule.PARAMETER and node.meta["is_float"] and num_channels(node) is not None


def _continues(node: fx.Node) -> bool:
    """Return True if the value goes into one channel-wise node only. That node, or one after it, holds the gate.

    The result is False if that node spreads the value over more places (an excitation over its feature, a pooled value
    over a map), because choosing is cheaper before.
    """
    if len(node.users) != 1:
        return False
    user = next(iter(node.users))
    return user.meta["rule"] in _KEEPS_CHANNELS_APART and _size(user) <= _size(node)


def _add_site(node: fx.Node, here: _Pending, search: _Search) -> None:
    channels, axis = num_channels(node), node.meta["channel_axis"]
    if channels is None or axis is None:
        raise UntraceableBackboneError(f"{node.name} has no channel axis, so it cannot hold a gate.")
    by_channel = [layer for layer in here.direct if layer.meta["rule"] is not ChannelRule.OPAQUE]
    for layer in sorted(here.layers - set(by_channel), key=lambda layer: layer.name):
        if layer.meta["flops"]:
            search.whole.setdefault(layer, []).append(len(search.sites))
    flops = sum(layer.meta["flops"] // channels for layer in by_channel)
    group = math.lcm(search.layout.channel_group, *(layer.meta.get("group_size", 1) for layer in by_channel))
    if search.layout.channel_group > channels and flops and _has_extent(node):
        raise SpaceError(
            f"channel_group = {search.layout.channel_group} is above the {channels} channels of {node.name}.",
            hint="Use smaller channel groups, or a larger width.",
        )
    for layer in by_channel:
        search.by_channel.setdefault(layer, []).append(len(search.sites))
    search.sites.append(
        Site(node=node, num_channels=channels, channel_axis=axis, channel_flops=flops, group_size=min(group, channels))
    )


def _has_extent(node: fx.Node) -> bool:
    """Return False for squeezed values, whose few channels (of a squeeze-excitation, say) may form one group."""
    return _size(node) > (num_channels(node) or 0)


def _size(node: fx.Node) -> int:
    """Return the number of elements of the value for one image."""
    return int(math.prod(node.meta["shape"]))


def _refuse_divided_layers(search: _Search) -> None:
    """Refuse a layer that is counted by channel and belongs to several gates, because its cost would not be exact."""
    for layer, indices in search.by_channel.items():
        if layer.meta["flops"] and (len(indices) > 1 or layer in search.whole):
            raise UntraceableBackboneError(
                f"{layer.name} would answer to several gates with granularity {search.layout.granularity!r}.",
                hint="Use granularity = 'conv' with this backbone.",
            )


def _refuse_ungated(output: fx.Node, pending: Mapping[fx.Node, _Pending]) -> None:
    left = {layer.name for source in output.all_input_nodes for layer in pending[source].layers}
    if left:
        names = ", ".join(sorted(left))
        raise UntraceableBackboneError(
            f"the results of {names} leave the backbone in a form that cannot hold a gate.",
            hint="Return tensors of shape [batch, channels, height, width] or [batch, channels].",
        )
