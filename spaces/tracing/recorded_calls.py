"""Calls that torch passes to compiled code without asking a proxy, recorded in the graph as one operation each."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

# Recomputation changes no value. torch has no public name for what prepares it.
from torch.utils.checkpoint import CheckpointFunction, _CheckpointFrame


@contextmanager
def calls_recorded(kind: type) -> Iterator[None]:
    """Record custom autograd functions and scripted functions that are called with proxies of the type ``kind``.

    A custom function keeps its own backward pass. It becomes one operation, which no rule looks into. Code that runs
    under :func:`torch.utils.checkpoint.checkpoint` is traced like any other code.
    """
    apply, call = vars(torch.autograd.Function)["apply"], torch.jit.ScriptFunction.__call__
    save = _CheckpointFrame.save_inputs

    def recorded_apply(function: Any, *args: Any, **kwargs: Any) -> Any:
        proxy = _first_of(kind, args, kwargs)
        if proxy is None:
            return apply.__func__(function, *args, **kwargs)
        if function is CheckpointFunction:
            run, _, *inputs = args
            return run(*inputs)
        return proxy.tracer.create_proxy("call_function", _application(function), args, kwargs)

    def recorded_call(script: Any, *args: Any, **kwargs: Any) -> Any:
        proxy = _first_of(kind, args, kwargs)
        if proxy is None:
            return call(script, *args, **kwargs)
        return proxy.tracer.create_proxy("call_function", _scripted(script), args, kwargs)

    def save_inputs(frame: _CheckpointFrame, *args: Any) -> None:
        if _first_of(kind, args, {}) is None:
            save(frame, *args)  # type: ignore[no-untyped-call]

    torch.autograd.Function.apply = classmethod(recorded_apply)  # type: ignore[assignment, method-assign]
    torch.jit.ScriptFunction.__call__ = recorded_call  # type: ignore[assignment, method-assign]
    _CheckpointFrame.save_inputs = save_inputs  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.autograd.Function.apply = apply  # type: ignore[method-assign]
        torch.jit.ScriptFunction.__call__ = call  # type: ignore[method-assign]
        _CheckpointFrame.save_inputs = save  # type: ignore[method-assign]


def _first_of(kind: type, args: Any, kwargs: Any) -> Any:
    return next((leaf for leaf in tree_leaves((args, kwargs)) if type(leaf) is kind), None)


@functools.cache
def _application(function: Any) -> Callable[..., Any]:
    """Return a function that applies ``function``, the same one for every call.

    Two traces are compared by their targets.
    """

    def apply(*args: Any, **kwargs: Any) -> Any:
        return function.apply(*args, **kwargs)

    apply.__name__ = f"{function.__name__}_apply"
    return apply


@functools.cache
def _scripted(script: Any) -> Callable[..., Any]:
    """Return a function that calls ``script`` and has a name, as torch.fx requires."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return script(*args, **kwargs)

    call.__name__ = f"{script.name}_scripted"
    return call
