"""FailedAttempts: addresses that recently sent too many wrong tokens."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_FAILURES = 10
WINDOW_S = 60.0
_MOST_ADDRESSES = 10_000


class FailedAttempts:
    """Counter of wrong tokens by address, for the latest addresses. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_address: OrderedDict[str, list[float]] = OrderedDict()

    def note(self, address: str) -> None:
        with self._lock:
            recent = [*self._recent(address), self._clock()]
            self._by_address[address] = recent[-MOST_FAILURES:]
            self._by_address.move_to_end(address)
            while len(self._by_address) > _MOST_ADDRESSES:
                self._by_address.popitem(last=False)

    def wait_s(self, address: str) -> float:
        """Return the seconds until the address may send another token; 0 means at once."""
        with self._lock:
            recent = self._recent(address)
            return 0.0 if len(recent) < MOST_FAILURES else recent[0] + WINDOW_S - self._clock()

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - WINDOW_S
        return [moment for moment in self._by_address.get(address, ()) if moment > since]
