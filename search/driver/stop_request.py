"""StopRequest: the request, from any source, that a running study end cleanly."""

import threading
import time
from collections.abc import Callable


class StopRequest:
    """Request to stop a running study. It is thread-safe.

    After the first request every trial stops after its current epoch. After the second one trials stop at once. With
    ``max_seconds`` it requests itself when that time has passed since it was created, measured by ``clock``.
    """

    def __init__(self, *, max_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._max_seconds = max_seconds
        self._soon = threading.Event()
        self._at_once = threading.Event()
        self.reason = ""

    def request(self, reason: str) -> None:
        """Ask for the end. A second call asks for it at once."""
        if self._soon.is_set():
            self._at_once.set()
            return
        self.reason = reason
        self._soon.set()

    def request_once(self, reason: str) -> None:
        """Ask for the end, unless it was asked for already."""
        if not self.is_requested:
            self.request(reason)

    @property
    def max_seconds(self) -> float | None:
        """Cap in seconds since the request was created. None: there is no cap."""
        return self._max_seconds

    def cap(self, max_seconds: float | None) -> None:
        """Change the cap. A cap that has passed already asks for the end."""
        self._max_seconds = max_seconds

    @property
    def is_requested(self) -> bool:
        if self._is_over() and not self._soon.is_set():
            self.request("the time it was given is over")
        return self._soon.is_set()

    def _is_over(self) -> bool:
        most = self._max_seconds
        return most is not None and self._clock() > self._began + most

    @property
    def is_at_once(self) -> bool:
        return self._at_once.is_set()
