"""Width multiplier: fewer (or more) channels everywhere, with coupled layers changed together."""

import math
from typing import Any

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.attention import HeadAttention
from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands
from gatefront.spaces.graph.layers import LayerNorm2d
from gatefront.spaces.graph.tied_tensors import targets_that_share

_COUPLES = (ChannelRule.CHANNEL_WISE, ChannelRule.GROUP_WISE, ChannelRule.ACROSS, ChannelRule.PARAMETER)


def scale_width(traced: fx.GraphModule, width: float, *, keep_largest: bool) -> fx.GraphModule:
    """Scale every layer to ``round(width * channels)`` channels, at least one.

    Layers whose outputs are added or multiplied, or that work channel by channel, are coupled and keep the same
    channels. ``keep_largest`` keeps the channels of largest weight norm, for trained weights. Otherwise the first
    channels are kept and weights are rescaled to their new fan-in. A width above 1 repeats channels and is for
    untrained networks.

    Raises:
        SpaceError: no layer's width can be changed, trained weights would have to be widened, or layers share a weight.
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
    _refuse_shared_weights(traced, groups, kept, width)
    resized: set[str] = set()
    for node in traced.graph.nodes:
        if node.op in ("call_module", "get_attr"):
            if str(node.target) in resized:
                continue  # it runs at a second place too, where coupling has given it the same channels
            resized.add(str(node.target))
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, HeadAttention):
            if (heads := kept[groups[node]]) is not None:
                traced.set_submodule(
                    str(node.target), module.select_heads(heads[:: module.head_dim] // module.head_dim)
                )
        elif module is not None:
            source = kept[groups[node.all_input_nodes[0]]] if node.all_input_nodes[0] in groups else None
            _resize(module, kept.get(groups.get(node, -1)), source, rescale=not keep_largest)
        elif node in groups and (index := kept[groups[node]]) is not None:
            _resize_other(traced, node, index)
    traced.recompile()
    return traced


def _couple(graph: fx.Graph) -> dict[fx.Node, int]:
    """Give every node with channels its coupling group, by union-find over operations that keep channels apart."""
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
        if node.op in ("call_module", "get_attr"):
            # A layer that runs at several places reads and gives the same channels at each of them.
            first = first_use.setdefault(str(node.target), node)
            join(first, node)
            for source, other in zip(tensor_operands(first), tensor_operands(node), strict=True):
                join(source, other)
    numbers = {node: index for index, node in enumerate(parent)}
    return {node: numbers[root(node)] for node in parent}


def _members(graph: fx.Graph, groups: dict[fx.Node, int]) -> dict[int, list[fx.Node]]:
    members: dict[int, list[fx.Node]] = {}
    for node, group in groups.items():
        members.setdefault(group, []).append(node)
    return members


def _keep(members: list[fx.Node], modules: dict[str, nn.Module], width: float, keep_largest: bool) -> Tensor | None:
    """Return the channels that a group keeps, as source indices, or None if the group must stay unchanged.

    Attention heads and the groups of a grouped convolution are kept or dropped whole.
    """
    for node in members:
        read_whole = any(user.meta["rule"] is ChannelRule.OPAQUE for user in node.users if user.meta["has_tensor"])
        if node.meta["rule"] in (ChannelRule.INPUT, ChannelRule.OPAQUE) or read_whole:
            return None
    count = num_channels(members[0]) or 0
    size = math.lcm(*(node.meta.get("group_size", 1) for node in members))
    wanted = max(1, round(count // size * width))
    if keep_largest:
        norm = torch.zeros(count // size)
        for node in members:
            if node.meta["rule"] is ChannelRule.DENSE:
                weight = modules[str(node.target)].get_parameter("weight").detach()
                norm += weight.reshape(count // size, -1).norm(dim=1)
        kept = norm.topk(wanted).indices.sort().values
    else:
        kept = torch.arange(wanted) % (count // size)
    return (kept[:, None] * size + torch.arange(size)).flatten()


def _refuse_shared_weights(
    traced: fx.GraphModule, groups: dict[fx.Node, int], kept: dict[int, Tensor | None], width: float
) -> None:
    """Refuse to cut layers that share one weight, because the cuts would make two weights of it."""
    shared = targets_that_share(traced)
    for node in traced.graph.nodes:
        if node.op not in ("call_module", "get_attr") or str(node.target) not in shared:
            continue
        if any(kept[groups[one]] is not None for one in (node, *tensor_operands(node)) if one in groups):
            raise SpaceError(
                f"network.width = {width} would part the weight that {node.target} shares with another layer.",
                hint="Use width = 1.0, or give every layer a weight of its own.",
            )


def _resize(module: nn.Module, out: Tensor | None, source: Tensor | None, *, rescale: bool) -> None:
    """Cut one layer's tensors to the kept channels, in place."""
    if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | LayerNorm2d):
        if out is not None:
            _resize_norm(module, out)
    elif isinstance(module, nn.Conv2d | nn.Linear):
        if out is not None:
            _replace(module, "weight", lambda value: value[out])
            _replace(module, "bias", lambda value: value[out])
        if source is not None and not _is_grouped(module):
            gain = math.sqrt(module.weight.shape[1] / len(source)) if rescale else 1.0
            _replace(module, "weight", lambda value: value[:, source] * gain)
        _set_sizes(module)


def _resize_norm(module: nn.BatchNorm2d | nn.LayerNorm | LayerNorm2d, out: Tensor) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        if hasattr(module, name):
            _replace(module, name, lambda value: value[out])
    if isinstance(module, nn.BatchNorm2d):
        module.num_features = len(out)
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = (len(out),)
    else:
        module.num_channels = len(out)


def _resize_other(traced: fx.GraphModule, node: fx.Node, index: Tensor) -> None:
    """Cut a parameter of the backbone itself, or change the sizes written in a reshape."""
    axis = node.meta["channel_axis"]
    if node.op == "get_attr":
        path, _, name = str(node.target).rpartition(".")
        owner = traced.get_submodule(path)
        if getattr(owner, name).shape[axis] == num_channels(node):
            _replace(owner, name, lambda value: value.index_select(axis, index))
    elif is_reshape(node):
        sizes = list(node.args[1])  # type: ignore[arg-type]
        sizes[axis] = len(index)
        node.args = (node.args[0], tuple(sizes))


def _is_grouped(module: nn.Conv2d | nn.Linear) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups > 1


def _set_sizes(module: nn.Conv2d | nn.Linear) -> None:
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
        return
    if module.groups > 1:
        module.groups = module.groups * module.weight.shape[0] // module.out_channels
    module.out_channels = module.weight.shape[0]
    module.in_channels = module.weight.shape[1] * module.groups


def _replace(module: nn.Module, name: str, change: Any) -> None:
    value = getattr(module, name)
    if value is None:
        return
    changed = change(value.detach()).clone()
    setattr(module, name, nn.Parameter(changed) if isinstance(value, nn.Parameter) else changed)
