"""Position of the channel axis behind permutations, reshapes, slices and reductions that keep it whole."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.graph.layers import ELEMENTWISE_MODULES

MAP_MODULES: tuple[type[nn.Module], ...] = (
    nn.BatchNorm2d,
    nn.Dropout2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Upsample,
)
"""Layers that work on maps ``[batch, channels, height, width]``, each channel by itself."""

ELEMENTWISE_NAMES = frozenset(
    {
        *(
            "add",
            "sub",
            "mul",
            "div",
            "truediv",
            "neg",
            "abs",
            "clamp",
            "dropout",
            "contiguous",
            "clone",
            "float",
            "to",
            "detach",
        ),
        *("relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "mish", "tanh", "sigmoid", "type_as"),
        *("hardswish", "hardsigmoid", "hardtanh"),
    }
)
MAP_NAMES = frozenset({"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "interpolate"})
REDUCTIONS = frozenset({"mean", "sum", "amax", "amin"})


def follow_axis(node: fx.Node, modules: dict[str, nn.Module], source: fx.Node, axis: int) -> int | None:
    """Return the axis of the result that holds ``axis`` of ``source``, if ``node`` neither mixes nor moves its entries.

    None means that it does, or that the operation is not known. Needs ``meta["batched_shapes"]``. The position must be
    the same for both batch sizes of the trace, so that no size passes for another one by chance.
    """
    places = {
        _place(node, modules, before, after, axis)
        for before, after in zip(source.meta["batched_shapes"], node.meta["batched_shapes"], strict=False)
    }
    return places.pop() if len(places) == 1 else None


def _place(
    node: fx.Node, modules: dict[str, nn.Module], before: Sequence[int], after: Sequence[int], axis: int
) -> int | None:
    found = _follow(node, modules, before, after, axis)
    if found is None or not 0 < found < len(after) or after[found] != before[axis]:
        return None
    return found


def operation_name(node: fx.Node) -> str:
    """Return ``mean`` for ``torch.mean``, ``Tensor.mean`` and the like, or an empty string for others than torch's."""
    if node.op == "call_method":
        return str(node.target)
    name = getattr(node.target, "__name__", "")
    is_known = any(getattr(holder, name, None) is node.target for holder in (torch, F, operator))
    return name if is_known else ""


def _follow(
    node: fx.Node, modules: dict[str, nn.Module], before: Sequence[int], after: Sequence[int], axis: int
) -> int | None:
    if node.op == "call_module":
        kind = type(modules[str(node.target)])
        if kind in MAP_MODULES:
            return 1 if axis == 1 and len(before) == 4 else None
        return axis if kind in ELEMENTWISE_MODULES else None
    if node.op not in ("call_function", "call_method"):
        return None
    if is_reshape(node):
        return _through_reshape(before, after, axis)
    name = operation_name(node)
    if name in MAP_NAMES:
        return 1 if axis == 1 and len(before) == 4 else None
    if name in ELEMENTWISE_NAMES:
        return axis + len(after) - len(before)
    if name in REDUCTIONS:
        return _through_reduction(node, len(before), axis)
    return _through_movement(node, name, before, axis)


def _through_reshape(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """Return the axis with as many entries before it and with the same length, because entries stay in order."""
    ahead = math.prod(before[:axis])
    candidates = [j for j in range(len(after)) if math.prod(after[:j]) == ahead and after[j] == before[axis]]
    return candidates[0] if candidates else None


def _through_reduction(node: fx.Node, num_axes: int, axis: int) -> int | None:
    gone = _axes(_argument(node, 1, "dim", "axis"), num_axes)
    if gone is None or axis in gone:
        return None
    keeps = _argument(node, 2, "keepdim", "keepdims") is True
    return axis if keeps else axis - sum(dim < axis for dim in gone)


def _through_movement(node: fx.Node, name: str, before: Sequence[int], axis: int) -> int | None:
    num_axes = len(before)
    if name == "permute":
        order = _axes(_rest(node, "dims"), num_axes)
        return None if order is None else order.index(axis)
    if name in ("transpose", "swapaxes", "swapdims"):
        pair = [_argument(node, 1, "dim0", "axis0"), _argument(node, 2, "dim1", "axis1")]
        first, second = _axes(pair, num_axes) or (axis, axis)
        return {first: second, second: first}.get(axis, axis)
    if name in ("roll", "flip"):
        moved = _axes(_rest(node, "dims") if name == "flip" else _argument(node, 2, "dims"), num_axes)
        return axis if moved and axis not in moved else None
    if name in ("cat", "concat", "concatenate"):
        joined = _axes(_argument(node, 1, "dim", "axis", default=0), num_axes)
        return axis if joined is not None and axis not in joined else None
    if name == "expand":
        return axis + len(node.meta["batched_shape"]) - num_axes
    if name == "pad":
        pads = _argument(node, 1, "pad")
        place = 2 * (num_axes - 1 - axis)
        return axis if _are_numbers(pads) and not any(pads[place : place + 2]) else None
    return _through_index(node, num_axes, axis) if node.target is operator.getitem else None


def _argument(node: fx.Node, position: int, *names: str, default: Any = None) -> Any:
    """Return the argument at a position, or the one given under one of its names."""
    if len(node.args) > position:
        return node.args[position]
    return next((node.kwargs[name] for name in names if name in node.kwargs), default)


def _rest(node: fx.Node, name: str) -> Any:
    """Return axes that are given as ``f(x, 0, 1)``, ``f(x, (0, 1))`` or ``f(x, name=(0, 1))``."""
    given = node.args[1:]
    if len(given) == 1 and isinstance(given[0], list | tuple):
        return given[0]
    return given or node.kwargs.get(name)


def _axes(dims: Any, num_axes: int) -> list[int] | None:
    """Return axes counted from the front, or None if they are no numbers."""
    dims = [dims] if isinstance(dims, int) else dims
    return [int(dim) % num_axes for dim in dims] if _are_numbers(dims) else None


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, int) for value in values)


def _through_index(node: fx.Node, num_axes: int, axis: int) -> int | None:
    index: Any = node.args[1]
    items = list(index) if isinstance(index, tuple) else [index]
    if any(not (item is None or item is Ellipsis or isinstance(item, int | slice)) for item in items):
        return None
    if Ellipsis in items:
        place = items.index(Ellipsis)
        missing = num_axes - sum(item is not None and item is not Ellipsis for item in items)
        items[place : place + 1] = [slice(None)] * missing
    source_axis, result_axis = 0, 0
    for item in items:
        if source_axis == axis and item is not None:
            return result_axis if item == slice(None) else None
        source_axis += item is not None
        result_axis += not isinstance(item, int)
    return result_axis + axis - source_axis
