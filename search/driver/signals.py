"""Ctrl-C and SIGTERM: who handles them for the length of a block."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gatefront.search.driver.stop_request import StopRequest

_OURS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def own_signals() -> Iterator[None]:
    """Put back the handlers of Ctrl-C and SIGTERM that the block replaces.

    ``ray.init`` takes SIGTERM to end the process, where a driver means to come to a clean end: containers and clusters
    stop what they run with it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, so nothing in the block can
        return
    before = {number: signal.getsignal(number) for number in _OURS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Both signals go to ``handler``, then again to whom they went before. In the main thread alone."""
    with own_signals():
        for number in _OURS:
            signal.signal(number, handler)
        yield


@contextmanager
def signals(stop_request: StopRequest) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask for a clean end; the second one for a quick one."""

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop_request.request("interrupted")

    with handled_by(ask):
        yield
