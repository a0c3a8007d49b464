"""Wall time of forward passes, and the number of threads they use."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from gatefront.search.bundle.runners import Action

_WARM_UP = 5


def time_in_turn(actions: Mapping[str, Action], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of every action, ``repeats`` times each after a warm-up.

    The actions take turns, so that other load on the machine affects all of them alike.
    """
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
    """Set the threads within an operation for the length of the block.

    Threads between operations stay as they are. torch sets their number once per process, and no forward pass uses
    them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
