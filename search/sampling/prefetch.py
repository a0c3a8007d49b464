"""ProposalPrefetcher: the next proposal, made while workers train if it takes long compared with a trial."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import optuna

Ask = Callable[[], optuna.Trial]
# Share of a trial's time. Below it, waiting costs a worker less than a proposal loses that misses one result.
_LONG = 0.02


class ProposalPrefetcher:
    """Proposals one after another; the next one starts early if the last took over 2 % of a trial.

    An early proposal does not know the results that arrived meanwhile, as if there were one more worker. Use the
    prefetcher in a ``with`` block, whose end waits for a proposal that is still being made. An early proposal that was
    never fetched remains a running trial in Optuna, which a resumed study adopts.

    Args:
        ask: makes a proposal.
        limit: the largest number of proposals.
        num_workers: how many trials run at a time.
        clock: seconds from any start.
    """

    def __init__(self, ask: Ask, *, limit: int, num_workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._left = limit
        self._clock = clock
        # Each worker fetches again after one trial, so a trial takes as long as one proposal for every worker.
        self._fetched_at: deque[float] = deque(maxlen=num_workers)
        self._ask_seconds = 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gatefront-ask")
        self._next: Future[optuna.Trial] | None = None

    def __enter__(self) -> "ProposalPrefetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)

    def __call__(self) -> optuna.Trial:
        """Return the next proposal. Raise any error that making it raised."""
        trial = self._timed_ask() if self._next is None else self._next.result()
        self._left -= 1
        is_long = self._takes_long()
        self._fetched_at.append(self._clock())
        self._next = self._thread.submit(self._timed_ask) if is_long and self._left > 0 else None
        return trial

    def _timed_ask(self) -> optuna.Trial:
        started = self._clock()
        trial = self._ask()
        self._ask_seconds = self._clock() - started
        return trial

    def _takes_long(self) -> bool:
        if len(self._fetched_at) < (self._fetched_at.maxlen or 0):
            return False  # The first trials are still being handed out.
        return self._ask_seconds > _LONG * (self._clock() - self._fetched_at[0])
