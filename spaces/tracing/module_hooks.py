"""Forward hooks of layers that a trace keeps whole. They run on proxies, so that the graph holds their operations."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.fx.proxy import TraceError


class HookError(TraceError):
    """Error of a forward hook that a trace cannot follow."""

    hint = "Remove the hook before the search, for example with torch.nn.utils.remove_weight_norm."


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
