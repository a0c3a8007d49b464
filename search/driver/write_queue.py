"""WriteQueue: a thread that does a study's database work in order, so that Ray's loop does not wait for an outage."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from gatefront.search.storage.database.retry import RetryPolicy

Result = TypeVar("Result")

_LOOK_S = 0.1


class WriteQueue:
    """Queue of work that is done in order, in one thread.

    Callers wait for the work, unless ``retry_policy`` is waiting for the database. During an outage work is queued
    while trials train, and it is done once the database answers. The next call raises an error of the work. Only one
    thread may use the queue.
    """

    def __init__(self, retry_policy: RetryPolicy) -> None:
        self._retry_policy = retry_policy
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gatefront-writes")
        self._waiting: deque[Future[Any]] = deque()

    def do(self, work: Callable[[], object]) -> None:
        """Do ``work`` after all work that was queued before."""
        self.has(self.begin(work))

    def begin(self, work: Callable[[], Result]) -> "Future[Result]":
        """Queue ``work`` and return its future, which :meth:`has` waits for."""
        future = self._thread.submit(work)
        self._waiting.append(future)
        return future

    def has(self, future: "Future[Any]") -> bool:
        """Wait for the work, and return True once it is done or False during an outage."""
        while not future.done() and not self._retry_policy.is_waiting:
            wait([future], timeout=_LOOK_S)
        self.is_settled()
        return future.done()

    def is_settled(self) -> bool:
        """Return True if all work is done.

        It raises the first error of the work that was done since the last call.
        """
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft().result()
        return not self._waiting

    def close(self) -> None:
        """Wait until all work is done, however long that takes, and raise its first error."""
        self._thread.shutdown(wait=True)
        self.is_settled()
