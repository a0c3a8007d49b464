"""Wall time of forward passes, and the number of threads they have."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from gatefront.search.bundle.runners import Action

_WARM_UP = 5


def time_in_turn(actions: Mapping[str, Action], repeats: int) -> dict[str, list[float]]:
    """Seconds of every action, ``repeats`` times each after a warm-up; in turn, so that a busy moment meets all."""
    for action in actions.values():
        for _ in range(_WARM_UP):
            action()
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - started)
    return seconds


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Threads within an operation. Those between operations, which torch sets once per process, do no forward pass."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
