"""WriteQueue: a study's database work, in order, in a thread of its own. Ray's loop does not wait for an outage."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from gatefront.search.storage.database.retry import RetryPolicy

Result = TypeVar("Result")

_LOOK_S = 0.1


class WriteQueue:
    """Runs what it is given one after the other, and is waited for unless ``retry_policy`` waits for the database.

    Then work piles up here and is done when there is an answer: trials train on meanwhile. An error in the work is
    raised by the next call. Only one thread may use it.
    """

    def __init__(self, retry_policy: RetryPolicy) -> None:
        self._retry_policy = retry_policy
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gatefront-writes")
        self._waiting: deque[Future[Any]] = deque()

    def do(self, work: Callable[[], object]) -> None:
        """Have ``work`` done after all that was given before."""
        self.has(self.begin(work))

    def begin(self, work: Callable[[], Result]) -> "Future[Result]":
        """As :meth:`do`, for work that gives something; :meth:`has` says whether it is there."""
        future = self._thread.submit(work)
        self._waiting.append(future)
        return future

    def has(self, future: "Future[Any]") -> bool:
        """True once the work is done, False while there is an outage."""
        while not future.done() and not self._retry_policy.is_waiting:
            wait([future], timeout=_LOOK_S)
        self.is_settled()
        return future.done()

    def is_settled(self) -> bool:
        """True if everything is done. Raises the first error of what was done since the last call."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft().result()
        return not self._waiting

    def close(self) -> None:
        """Wait until everything is done, however long that takes; raises its first error."""
        self._thread.shutdown(wait=True)
        self.is_settled()
