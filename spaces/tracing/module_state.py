"""Restoration of a module's state, because a trial run on fake tensors must leave no trace in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

_Container = dict[Any, Any] | list[Any] | set[Any]


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Restore on exit all that the module held on entry: attributes, tensors, submodules, and contents of containers.

    A cache that is filled during the run is empty again, and no entry of it can pass for a constant of the module.
    """
    kept = [(container, container.copy()) for container in _containers(module)]
    try:
        yield
    finally:
        for container, saved in kept:
            container.clear()
            _fill(container, saved)


def _containers(module: nn.Module) -> list[_Container]:
    found: dict[int, _Container] = {}
    pending: list[Any] = [vars(part) for part in module.modules()]
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list | set) and id(value) not in found:
            found[id(value)] = value
            pending.extend(value.values() if isinstance(value, dict) else value)
    return list(found.values())


def _fill(container: _Container, saved: Any) -> None:
    if isinstance(container, list):
        container.extend(saved)
    else:
        container.update(saved)
