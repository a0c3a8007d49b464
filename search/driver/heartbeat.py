"""The driver's heartbeat: a thread that renews the lease, and passes on a stop request and a changed cap."""

import logging
import threading
from types import TracebackType

import sqlalchemy as sa

from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.errors import LeaseLostError
from gatefront.search.storage.database.retry import NO_RETRY, RetryPolicy, reason_of
from gatefront.search.storage.lease import HEARTBEAT_S, Lease

logger = logging.getLogger(__name__)

_SECONDS_PER_HOUR = 3600


class Heartbeat:
    """Owner of a study's lease for the length of a ``with`` block.

    During an outage of the database the thread keeps trying. The lease is kept unless another driver takes it once the
    database answers. ``retry_policy`` applies to the release of the lease.
    """

    def __init__(self, lease: Lease, stop_request: StopRequest, retry_policy: RetryPolicy = NO_RETRY) -> None:
        self._lease = lease
        self._retry_policy = retry_policy
        self._stop_request = stop_request
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="gatefront-heartbeat", daemon=True)
        seconds = stop_request.max_seconds
        self._asked_hours = None if seconds is None else seconds / _SECONDS_PER_HOUR
        self.lost = False

    def __enter__(self) -> "Heartbeat":
        self._lease.acquire(max_hours=self._asked_hours)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if not self.lost:
            self._give_back()

    def check(self) -> None:
        """Raise :class:`LeaseLostError` if another driver has taken the study over."""
        if self.lost:
            raise LeaseLostError("another driver has taken the study over while this one was silent.")

    def _give_back(self) -> None:
        try:
            self._retry_policy(self._lease.release)
        except sa.exc.SQLAlchemyError as error:
            # It keeps no driver out, because a dead one is recognized by its process or its missing heartbeats.
            logger.warning("the lease could not be given back: %s", reason_of(error))

    def _beat(self) -> None:
        asked = False
        while not self._ended.wait(HEARTBEAT_S):
            try:
                stop = self._lease.beat()
                self._pass_cap_on()
            except LeaseLostError:
                self.lost = True
                self._stop_request.request("another driver has taken the study over")
                self._stop_request.request("at once")
                return
            except sa.exc.SQLAlchemyError as error:
                # The lease outlives a short outage, and the next heartbeat tries again.
                logger.warning("the heartbeat could not be written: %s", reason_of(error))
                continue
            if stop and not asked:
                asked = True
                self._stop_request.request("`gatefront stop` was called")

    def _pass_cap_on(self) -> None:
        hours = self._lease.max_hours()
        if hours != self._asked_hours:
            self._asked_hours = hours
            self._stop_request.cap(None if hours is None else hours * _SECONDS_PER_HOUR)
