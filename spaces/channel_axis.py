"""Where channels are: through permutations, reshapes, slices and reductions that keep the channel axis whole."""

import math
import operator
from collections.abc import Sequence
from typing import Any

from torch import fx, nn

from spaces.canonical import is_reshape
from spaces.layers import ELEMENTWISE_MODULES

MAP_MODULES: tuple[type[nn.Module], ...] = (
    nn.BatchNorm2d,
    nn.Dropout2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Upsample,
)
"""Work on maps ``[batch, channels, height, width]``, each channel by itself."""

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
        ),
        *("relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "mish", "tanh", "sigmoid", "type_as"),
        *("hardswish", "hardsigmoid", "hardtanh"),
    }
)
MAP_NAMES = frozenset({"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "interpolate"})
REDUCTIONS = frozenset({"mean", "sum", "amax", "amin"})


def follow_axis(node: fx.Node, modules: dict[str, nn.Module], source: fx.Node, axis: int) -> int | None:
    """Where ``axis`` of the operand ``source`` stands in the result, if ``node`` neither mixes nor moves its entries.

    None means that it does, or that the operation is not known. Needs ``meta["batched_shape"]``.
    """
    before, after = source.meta["batched_shape"], node.meta["batched_shape"]
    if before is None or after is None:
        return None
    found = _follow(node, modules, before, after, axis)
    if found is None or not 0 < found < len(after) or after[found] != before[axis]:
        return None
    return found


def operation_name(node: fx.Node) -> str:
    """``mean`` for ``torch.mean``, ``Tensor.mean`` and the like."""
    return str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", str(node.target))


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
    """Entries stay in order, so an axis survives where as many entries lie before it, and it is as long."""
    ahead = math.prod(before[:axis])
    candidates = [j for j in range(len(after)) if math.prod(after[:j]) == ahead and after[j] == before[axis]]
    return candidates[0] if candidates else None


def _through_reduction(node: fx.Node, num_axes: int, axis: int) -> int | None:
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    keeps = (node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)) is True
    if isinstance(dims, int):
        dims = (dims,)
    if not isinstance(dims, list | tuple) or not all(isinstance(dim, int) for dim in dims):
        return None
    gone = {int(dim) % num_axes for dim in dims}
    if axis in gone:
        return None
    return axis if keeps else axis - sum(dim < axis for dim in gone)


def _through_movement(node: fx.Node, name: str, before: Sequence[int], axis: int) -> int | None:
    num_axes = len(before)
    if name == "permute":
        order = _flat(node.args[1:])
        return [dim % num_axes for dim in order].index(axis)
    if name in ("transpose", "swapaxes", "swapdims"):
        first, second = (int(dim) % num_axes for dim in _flat(node.args[1:3]))
        return {first: second, second: first}.get(axis, axis)
    if name in ("roll", "flip"):
        dims = _flat([node.args[-1] if "dims" not in node.kwargs else node.kwargs["dims"]])
        known = len(node.args) > (2 if name == "roll" else 1) or "dims" in node.kwargs
        return axis if known and axis not in {dim % num_axes for dim in dims} else None
    if name in ("cat", "concat"):
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        return axis if isinstance(dim, int) and dim % num_axes != axis else None
    if name == "expand":
        return axis + len(node.meta["batched_shape"]) - num_axes
    if name == "pad":
        pads = _flat([node.args[1] if len(node.args) > 1 else node.kwargs["pad"]])
        place = 2 * (num_axes - 1 - axis)
        return axis if not any(pads[place : place + 2]) else None
    return _through_index(node, num_axes, axis) if node.target is operator.getitem else None


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


def _flat(arguments: Any) -> list[int]:
    flat: list[int] = []
    for argument in arguments:
        flat.extend(argument) if isinstance(argument, list | tuple) else flat.append(argument)
    return flat
