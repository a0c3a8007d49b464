"""Undoing what a forward pass stores in a module: a trial run on fake tensors must leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Give the module back every attribute, parameter, buffer and submodule that it had on entry, as it was then."""
    kept = [(state, dict(state)) for part in module.modules() for state in _states(part)]
    try:
        yield
    finally:
        for state, saved in kept:
            state.clear()
            state.update(saved)


def _states(part: nn.Module) -> tuple[dict[str, Any], ...]:
    return vars(part), part._parameters, part._buffers, part._modules
