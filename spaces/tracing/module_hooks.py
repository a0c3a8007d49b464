"""Forward hooks of layers that a trace keeps whole, and methods that were replaced on one module.

Hooks run on proxies, so that the graph holds their operations. A layer with a method of its own is traced into, because
its slices and copies would lose the method, or share it with the original.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.fx.proxy import TraceError
from torch.nn.modules.conv import _ConvNd


class HookError(TraceError):
    """Error of a forward hook that a trace cannot follow."""

    hint = "Remove the hook before the search, for example with torch.nn.utils.remove_weight_norm."


class ReplacedMethodError(HookError):
    """Error of a module that is kept whole and whose copies would lose or share a method."""

    hint = "Define a class with that method, so that every copy of the module has it."


def is_altered(layer: nn.Module) -> bool:
    """Return True if a layer computes something else than its class does for its arguments.

    A method is replaced on this one module, as by ``layer.forward = f``. Or the padding of a convolution that does not
    pad with zeros was changed after it was made, which torch does not heed.
    """
    if isinstance(layer, _ConvNd) and layer.padding_mode != "zeros" and not isinstance(layer.padding, str):
        heeded = [size for size in reversed(layer.padding) for _ in range(2)]
        if list(layer._reversed_padding_repeated_twice) != heeded:
            return True
    return bool(_replacements(layer))


def _replacements(layer: nn.Module) -> list[Any]:
    if isinstance(layer, torch.jit.ScriptModule):  # keeps its compiled methods on the module
        return []
    return [value for name, value in vars(layer).items() if callable(value) and callable(getattr(type(layer), name, 0))]


def require_own_methods(layer: nn.Module) -> None:
    """Require that no module in a layer that is kept whole has a method that its copies would lose or share.

    A module may choose among methods of its own (``self.forward = self.forward_fast``), which copies do as well. A
    layer of torch may not, because it can be sliced.

    Raises:
        ReplacedMethodError: one has.
    """
    for part in layer.modules():
        is_torch_layer = type(part).__module__.startswith("torch.nn")
        if any(is_torch_layer or getattr(value, "__self__", None) is not part for value in _replacements(part)):
            raise ReplacedMethodError(f"a method of {type(part).__name__} is replaced on this one module")


def run_forward_pre_hooks(
    layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Run the layer's forward pre-hooks and return the arguments that they leave.

    Raises:
        HookError: a hook changes the layer itself, as weight normalization does.
    """
    for key, hook in layer._forward_pre_hooks.items():
        before = _tensors(layer)
        if key in layer._forward_pre_hooks_with_kwargs:
            changed = hook(layer, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        else:
            changed = hook(layer, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        _require_unchanged(layer, before, hook)
    return args, kwargs


def run_forward_hooks(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    """Run the layer's forward hooks and return the result that they leave.

    Raises:
        HookError: a hook changes the layer itself.
    """
    for key, hook in layer._forward_hooks.items():
        before = _tensors(layer)
        if key in layer._forward_hooks_with_kwargs:
            changed = hook(layer, args, kwargs, result)
        else:
            changed = hook(layer, args, result)
        result = result if changed is None else changed
        _require_unchanged(layer, before, hook)
    return result


def remove_forward_hooks(layers: Iterable[nn.Module]) -> None:
    """Remove the forward hooks of layers that a graph calls, because the graph holds their operations."""
    for layer in layers:
        if not isinstance(layer, torch.jit.ScriptModule):  # its hooks are compiled into it
            layer._forward_pre_hooks.clear()
            layer._forward_hooks.clear()


def _tensors(layer: nn.Module) -> dict[str, int]:
    own = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    return {name: id(value) for name, value in (own | layer._parameters | layer._buffers).items()}


def _require_unchanged(layer: nn.Module, before: dict[str, int], hook: Any) -> None:
    if _tensors(layer) != before:
        name = getattr(hook, "__qualname__", type(hook).__qualname__)
        raise HookError(f"the forward hook {name} changes its layer {type(layer).__name__}")
