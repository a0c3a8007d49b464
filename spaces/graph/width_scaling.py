"""Widths of layers: fewer or more channels, with coupled layers changed together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.attention import HeadAttention
from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.graph.channel_groups import ChannelGroup, find_channel_groups, is_flattening, scalable_groups
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands
from gatefront.spaces.graph.layers import LayerNorm2d
from gatefront.spaces.graph.tied_tensors import targets_that_share


def scale_width(traced: fx.GraphModule, width: float, *, keep_largest: bool) -> fx.GraphModule:
    """Scale every channel group to ``round(width * units)`` units, at least one. See :func:`set_widths`.

    Raises:
        SpaceError: no layer's width can be changed, trained weights would have to be widened, or layers share a weight.
    """
    widths = scaled_widths(traced.graph, width)
    return set_widths(traced, widths, keep_largest=keep_largest, setting=f"network.width = {width}")


def scaled_widths(graph: fx.Graph, width: float) -> list[int]:
    """Return the channels of every scalable group at this multiple of its own width, at least one unit."""
    return [group.unit * max(1, round(group.num_units * width)) for group in scalable_groups(graph)]


def set_widths(
    traced: fx.GraphModule, widths: Sequence[int], *, keep_largest: bool, setting: str = "layer_widths"
) -> fx.GraphModule:
    """Give every scalable channel group of the graph its number of channels, in place.

    Args:
        traced: an annotated graph. Its annotations are those of the old widths afterwards.
        widths: channels by group, in the order of :func:`scalable_groups`.
        keep_largest: keep the channels of largest weight norm, for trained weights. Otherwise the first channels are
            kept, weights are rescaled to their new fan-in, and layers can be widened. Added channels start from other
            random values than those that were there.
        setting: the name in messages of what asks for the widths.

    Raises:
        SpaceError: no layer's width can be changed, a width is not a positive multiple of its group's unit, trained
            weights would have to be widened, or layers share a weight.
    """
    groups = find_channel_groups(traced.graph)
    _check_widths([group for group in groups if group.is_scalable], widths, keep_largest, setting)
    modules = dict(traced.named_modules())
    kept = _kept_channels(groups, widths, modules, keep_largest)
    _refuse_shared_weights(traced, kept, setting)
    resized: set[str] = set()
    for node in traced.graph.nodes:
        if node.op in ("call_module", "get_attr"):
            if str(node.target) in resized:
                continue  # it runs at a second place too, where coupling has given it the same channels
            resized.add(str(node.target))
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, HeadAttention):
            if (heads := kept[node]) is not None:
                traced.set_submodule(
                    str(node.target), module.select_heads(heads[:: module.head_dim] // module.head_dim)
                )
        elif module is not None:
            _resize(module, kept.get(node), kept.get(node.all_input_nodes[0]), rescale=not keep_largest)
        elif (index := kept.get(node)) is not None:
            _resize_other(traced, node, index)
    traced.recompile()
    return traced


def _check_widths(groups: Sequence[ChannelGroup], widths: Sequence[int], keep_largest: bool, setting: str) -> None:
    if not groups:
        raise SpaceError(
            f"{setting} changes nothing: every layer of this backbone is read by an opaque operation.",
            hint="Use width = 1.0.",
        )
    if len(widths) != len(groups):
        raise SpaceError(
            f"Cannot set layer widths: the backbone has {len(groups)} of them (found {len(widths)}).",
            hint="Name the channels of every group of layers once.",
        )
    for group, width in zip(groups, widths, strict=True):
        if width < 1 or width % group.unit:
            raise SpaceError(
                f"Cannot give {group.nodes[0].name} {width} channels: they come in units of {group.unit}.",
                hint=f"Choose a positive multiple of {group.unit}.",
            )
        if keep_largest and width > group.channels:
            raise SpaceError(
                f"{setting} cannot widen pretrained weights: {group.nodes[0].name} has {group.channels} channels "
                f"(found a width of {width}).",
                hint="Use a width of at most 1.",
            )


def _kept_channels(
    groups: Sequence[ChannelGroup], widths: Sequence[int], modules: Mapping[str, nn.Module], keep_largest: bool
) -> dict[fx.Node, Tensor | None]:
    """Return, by node, the channels to keep as source indices; None for a node whose group stays unchanged."""
    wanted = iter(widths)
    kept: dict[fx.Node, Tensor | None] = {}
    for group in groups:
        index = _keep(group, next(wanted), modules, keep_largest) if group.is_scalable else None
        kept.update(dict.fromkeys(group.nodes, index))
    for node in kept:
        source = kept.get(node.all_input_nodes[0]) if is_flattening(node) else None
        if source is not None:
            _, _, height, breadth = node.all_input_nodes[0].meta["batched_shape"]
            places = height * breadth
            kept[node] = (source[:, None] * places + torch.arange(places)).flatten()
    return kept


def _keep(group: ChannelGroup, width: int, modules: Mapping[str, nn.Module], keep_largest: bool) -> Tensor:
    wanted = width // group.unit
    if keep_largest:
        norm = torch.zeros(group.num_units)
        for node in group.nodes:
            if node.meta["rule"] is ChannelRule.DENSE:
                weight = modules[str(node.target)].get_parameter("weight").detach()
                norm += weight.reshape(group.num_units, -1).norm(dim=1)
        units = norm.topk(wanted).indices.sort().values
    else:
        units = torch.arange(wanted) % group.num_units
    return (units[:, None] * group.unit + torch.arange(group.unit)).flatten()


def _refuse_shared_weights(traced: fx.GraphModule, kept: Mapping[fx.Node, Tensor | None], setting: str) -> None:
    """Refuse to cut layers that share one weight, because the cuts would make two weights of it."""
    shared = targets_that_share(traced)
    for node in traced.graph.nodes:
        if node.op not in ("call_module", "get_attr") or str(node.target) not in shared:
            continue
        if any(kept.get(one) is not None for one in (node, *tensor_operands(node))):
            raise SpaceError(
                f"{setting} would part the weight that {node.target} shares with another layer.",
                hint="Use width = 1.0, or give every layer a weight of its own.",
            )


def _resize(module: nn.Module, out: Tensor | None, source: Tensor | None, *, rescale: bool) -> None:
    """Cut one layer's tensors to the kept channels, in place."""
    if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | LayerNorm2d):
        if out is not None:
            _resize_norm(module, out)
    elif isinstance(module, nn.Conv2d | nn.Linear):
        if out is not None:
            _replace(module, "weight", lambda value: _rows(value, out))
            _replace(module, "bias", lambda value: value[out])
        if source is not None and not _is_grouped(module):
            gain = math.sqrt(module.weight.shape[1] / len(source)) if rescale else 1.0
            _replace(module, "weight", lambda value: value[:, source] * gain)
        _set_sizes(module)


def _rows(weight: Tensor, out: Tensor) -> Tensor:
    """Return the kept rows. One that occurs again has its values in another order.

    Two channels with the same weights everywhere would get the same gradients, and stay one channel for ever.
    """
    rows = weight[out]
    seen: set[int] = set()
    for position, row in enumerate(out.tolist()):
        if row in seen:
            values = rows[position].flatten()
            rows[position] = values[torch.randperm(len(values))].view_as(rows[position])
        seen.add(row)
    return rows


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
