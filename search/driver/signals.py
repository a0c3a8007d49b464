"""Handlers of Ctrl-C and SIGTERM for the length of a block."""

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

    ``ray.init`` lets SIGTERM end the process at once. A driver must end cleanly on it, because containers and clusters
    stop their processes with it.
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
    """Send both signals to ``handler`` for the length of the block, and put the former handlers back.

    Only the main thread may call it.
    """
    with own_signals():
        for number in _OURS:
            signal.signal(number, handler)
        yield


@contextmanager
def signals(stop_request: StopRequest) -> Iterator[None]:
    """Ask for a clean end on the first Ctrl-C or SIGTERM, and for a quick one on the second."""

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop_request.request("interrupted")

    with handled_by(ask):
        yield
