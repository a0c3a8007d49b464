"""The width multiplier: fewer (or more) channels everywhere, with coupled layers kept in step."""

import math
from typing import Any

import torch
from torch import Tensor, fx, nn

from spaces.channels import ChannelRule, is_depthwise, num_channels
from spaces.errors import SpaceError


def scale_width(traced: fx.GraphModule, width: float, *, keep_largest: bool) -> fx.GraphModule:
    """The same network with ``round(width * channels)`` channels per layer, at least one.

    Layers whose outputs are added or multiplied, or that work channel by channel, are coupled and keep the
    same channels. ``keep_largest`` keeps the channels of largest weight norm, for trained weights; else the
    first ones are kept and weights are rescaled to their new fan-in. Width above 1 repeats channels and is
    for untrained networks.

    Raises:
        SpaceError: no layer's width can be changed, or trained weights would have to be widened.
    """
    if keep_largest and width > 1:
        raise SpaceError(f"network.width = {width} cannot widen pretrained weights.", hint="Use a width of at most 1.")
    groups = _couple(traced.graph)
    modules = dict(traced.named_modules())
    kept = {
        group: _keep(members, modules, width, keep_largest) for group, members in _members(traced.graph, groups).items()
    }
    if all(index is None for index in kept.values()):
        raise SpaceError(
            f"network.width = {width} changes nothing: every layer of this backbone is read by an opaque operation.",
            hint="Use width = 1.0.",
        )
    for node in traced.graph.nodes:
        if node.op == "call_module":
            source = kept[groups[node.all_input_nodes[0]]] if node.all_input_nodes[0] in groups else None
            _resize(modules[str(node.target)], kept.get(groups.get(node, -1)), source, rescale=not keep_largest)
    return traced


def _couple(graph: fx.Graph) -> dict[fx.Node, int]:
    """Coupling group of every node with channels: union-find over channel-wise operations."""
    parent: dict[fx.Node, fx.Node] = {}

    def root(node: fx.Node) -> fx.Node:
        while parent[node] is not node:
            node = parent[node]
        return node

    for node in graph.nodes:
        if node.op != "output" and num_channels(node) is not None:
            parent[node] = node
            if node.meta["rule"] is ChannelRule.CHANNEL_WISE:
                for source in node.all_input_nodes:
                    parent[root(source)] = root(node)
    numbers = {node: index for index, node in enumerate(parent)}
    return {node: numbers[root(node)] for node in parent}


def _members(graph: fx.Graph, groups: dict[fx.Node, int]) -> dict[int, list[fx.Node]]:
    members: dict[int, list[fx.Node]] = {}
    for node, group in groups.items():
        members.setdefault(group, []).append(node)
    return members


def _keep(members: list[fx.Node], modules: dict[str, nn.Module], width: float, keep_largest: bool) -> Tensor | None:
    """Channels a group keeps, as source indices; None if the group must stay as it is."""
    for node in members:
        read_whole = any(user.meta["rule"] is ChannelRule.OPAQUE for user in node.users)
        if node.meta["rule"] in (ChannelRule.INPUT, ChannelRule.OPAQUE) or read_whole:
            return None
    count = num_channels(members[0]) or 0
    wanted = max(1, round(count * width))
    if not keep_largest:
        return torch.arange(wanted) % count
    norm = torch.zeros(count)
    for node in members:
        if node.meta["rule"] is ChannelRule.DENSE:
            norm += modules[str(node.target)].weight.detach().flatten(1).norm(dim=1)  # type: ignore[operator]
    return norm.topk(wanted).indices.sort().values


def _resize(module: nn.Module, out: Tensor | None, source: Tensor | None, *, rescale: bool) -> None:
    """Cut one layer's tensors to the kept channels, in place."""
    if isinstance(module, nn.BatchNorm2d) and out is not None:
        module.num_features = len(out)
        for name in ("weight", "bias", "running_mean", "running_var"):
            _replace(module, name, lambda value: value[out])
    elif isinstance(module, nn.Conv2d | nn.Linear):
        if out is not None:
            _replace(module, "weight", lambda value: value[out])
            _replace(module, "bias", lambda value: value[out])
        depthwise = is_depthwise(module)
        if source is not None and not depthwise:
            gain = math.sqrt(module.weight.shape[1] / len(source)) if rescale else 1.0
            _replace(module, "weight", lambda value: value[:, source] * gain)
        _set_sizes(module, depthwise)


def _set_sizes(module: nn.Conv2d | nn.Linear, depthwise: bool) -> None:
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
        return
    module.out_channels = module.weight.shape[0]
    module.in_channels = module.out_channels if depthwise else module.weight.shape[1]
    module.groups = module.out_channels if depthwise else 1


def _replace(module: nn.Module, name: str, change: Any) -> None:
    value = getattr(module, name)
    if value is None:
        return
    changed = change(value.detach()).clone()
    setattr(module, name, nn.Parameter(changed) if isinstance(value, nn.Parameter) else changed)
