"""In-place operations of a traced module, spelled out of place.

A trace that records ``x.mul_(y)`` unchanged loses it: nothing reads the node, so dead-code elimination drops it
(pytorch issue 68301). Here every such operation becomes its out-of-place twin, and every later reader of ``x`` reads
the twin's result. A value that shares memory with ``x``, for example a view of it, would still read the old entries.
Its use is refused.
"""

import inspect
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.proxy import TraceError

IN_PLACE_OPERATORS: dict[Any, Any] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ifloordiv: operator.floordiv,
    operator.imod: operator.mod,
    operator.ipow: operator.pow,
    operator.iand: operator.and_,
    operator.ior: operator.or_,
    operator.ixor: operator.xor,
}
"""In-place operators, such as that of ``x += y``, which write into ``x``, and their out-of-place twins."""

_RANDOM = frozenset({"normal", "uniform", "bernoulli", "random", "cauchy", "exponential", "geometric", "log_normal"})


class InPlaceError(TraceError):
    """Error of a write that a trace cannot follow."""

    hint = "Write into a value of its own, or use the out-of-place operation."


@dataclass(frozen=True, slots=True)
class Write:
    """Out-of-place twin of an in-place operation, and the value that the operation writes into."""

    kind: str
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    destination: Any


def find_write(kind: str, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Write | None:
    """Return the out-of-place twin of an in-place operation, or None for an operation that writes nowhere.

    Args:
        kind: the kind of a node of torch.fx, ``call_function`` or ``call_method``.
        target: the function, or the name of the method.
        args: its positional arguments.
        kwargs: its keyword arguments.

    Raises:
        InPlaceError: the operation writes and has no twin.
    """
    if kind == "call_method":
        return _method_write(str(target), args, dict(kwargs))
    if kind != "call_function":
        return None
    if target in IN_PLACE_OPERATORS:
        return Write("call_function", IN_PLACE_OPERATORS[target], args, dict(kwargs), args[0])
    if target is operator.setitem:
        return Write("call_function", set_item, args, {}, args[0])
    if kwargs.get("out") is not None:
        return _write_of_out(target, args, dict(kwargs))
    return _function_write(target, args, dict(kwargs))


def set_item(tensor: Tensor, index: Any, value: Any) -> Tensor:
    """Return a copy of ``tensor`` in which ``tensor[index]`` is ``value``."""
    changed = tensor.clone()
    changed[index] = value
    return changed


def fill_like(tensor: Tensor, value: Any) -> Tensor:
    """Return a tensor of the same shape and type that holds ``value`` everywhere."""
    return torch.zeros_like(tensor).add(value)


def copy_like(tensor: Tensor, value: Tensor) -> Tensor:
    """Return ``value`` in the shape and the type of ``tensor``."""
    return value.expand(tensor.shape).to(tensor.dtype)


_METHODS_WITHOUT_TWIN: dict[str, Callable[..., Tensor]] = {"copy": copy_like, "fill": fill_like}


def _method_write(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Write | None:
    if name == "__setitem__":
        return Write("call_function", set_item, args, kwargs, args[0])
    if not name.endswith("_") or name.endswith("__"):
        return None
    twin = name.removesuffix("_")
    if twin in _METHODS_WITHOUT_TWIN:
        kwargs.pop("non_blocking", None)
        return Write("call_function", _METHODS_WITHOUT_TWIN[twin], args[:2], kwargs, args[0])
    if twin == "zero":
        return Write("call_function", torch.zeros_like, args[:1], {}, args[0])
    if twin in _RANDOM or not hasattr(Tensor, twin):
        raise InPlaceError(f"{name} writes into its tensor and has no out-of-place twin")
    return Write("call_method", twin, args, kwargs, args[0])


def _write_of_out(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Write:
    destination = kwargs.pop("out")
    if isinstance(destination, tuple | list):
        raise InPlaceError(f"{_name(target)} writes into several tensors by out=")
    return Write("call_function", target, args, kwargs, destination)


def _function_write(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Write | None:
    name = _name(target)
    if name.endswith("_") and not name.endswith("__") and args:
        twin = getattr(torch, name.removesuffix("_"), None) or getattr(F, name.removesuffix("_"), None)
        if twin is None:
            raise InPlaceError(f"{name} writes into its tensor and has no out-of-place twin")
        return Write("call_function", twin, args, kwargs, args[0])
    if getattr(target, "__module__", None) != F.__name__:
        return None
    try:
        bound = inspect.signature(target).bind(*args, **kwargs)
    except (TypeError, ValueError):  # a builtin tells no signature, and takes no `inplace`
        return None
    if bound.arguments.get("inplace") is not True:
        return None
    (_, destination), *others = bound.arguments.items()
    remaining = {key: value for key, value in others if key != "inplace"}
    return Write("call_function", target, (destination,), remaining, destination)


def _name(target: Any) -> str:
    return str(getattr(target, "__name__", target))


def set_layers_out_of_place(module: nn.Module) -> frozenset[nn.Module]:
    """Make torch's layers work out of place, and return those that worked in place.

    Several branches read one value, so no layer may overwrite its input. A module from elsewhere keeps its setting,
    because its code is traced operation by operation.
    """
    found = [
        layer
        for layer in module.modules()
        if getattr(layer, "inplace", False) is True and type(layer).__module__.startswith("torch.nn")
    ]
    for layer in found:
        layer.inplace = False  # type: ignore[assignment]
    return frozenset(found)
