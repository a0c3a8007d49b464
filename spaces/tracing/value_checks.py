"""Version of isinstance during a trace: a proxy passes for its value where Python code asks, and nowhere else."""

import builtins
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_GENUINE = builtins.isinstance


@contextmanager
def proxies_pass_for_values(kind: type) -> Iterator[None]:
    """Let ``isinstance(proxy, X)`` answer for ``proxy.value``, for proxies of exactly the type ``kind``.

    Modules check their inputs with isinstance. A proxy that called itself a tensor by ``__class__`` would pass those
    checks too. But compiled code of torch asks the same question and then reads memory that no proxy has. torch.fx
    replaces methods of every module during a trace in the same way.
    """
    genuine = builtins.isinstance

    def check(instance: Any, kinds: Any) -> bool:
        if type(instance) is not kind or genuine(instance, kinds):
            return genuine(instance, kinds)
        value = vars(instance)["value"]
        return genuine(_empty(value.dtype) if genuine(value, Tensor) else value, kinds)

    builtins.isinstance = check
    try:
        yield
    finally:
        builtins.isinstance = genuine


@contextmanager
def genuine_checks() -> Iterator[None]:
    """Give code that meets no proxy Python's own ``isinstance`` back, which is several times as fast."""
    present = builtins.isinstance
    builtins.isinstance = _GENUINE
    try:
        yield
    finally:
        builtins.isinstance = present


@functools.cache
def _empty(dtype: torch.dtype) -> Tensor:
    """Return an empty real tensor, because code must not take the value of a trace for a fake tensor."""
    return torch.empty(0, dtype=dtype)
