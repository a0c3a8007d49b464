"""RetryPolicy: retries, after pauses, of calls that a database outage interrupted."""

import functools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import optuna
import psycopg
import sqlalchemy as sa

from gatefront.search.errors import StoreError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Cls = TypeVar("Cls", bound=type)

PATIENCE_S = 3600.0
"""Seconds that a driver waits for its database before it ends and leaves the study to a later `resume`."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
# Primary result codes of a file that is locked, unreadable or unwritable at the moment, or on a full disk.
_SQLITE_OUTAGES = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    )
)
# Classes of PostgreSQL's states: connection, resources (a full disk, too), operator's intervention, system.
_POSTGRES_OUTAGES = ("08", "53", "57", "58")
_POSTGRES_COLLISIONS = ("40001", "40P01", "55P03")  # serialization, deadlock, lock not available


class RetryPolicy:
    """Policy that retries a call which failed because the database did not answer.

    Args:
        seconds: how long one call may wait in all; 0 means no retry.
        is_over: called before each pause; True ends the waiting.
    """

    def __init__(self, *, seconds: float = PATIENCE_S, is_over: Callable[[], bool] = lambda: False) -> None:
        self._seconds = seconds
        self._is_over = is_over
        self._num_waiting = 0
        self._lock = threading.Lock()

    @property
    def is_waiting(self) -> bool:
        """Return whether a call of some thread waits for the database."""
        return self._num_waiting > 0

    def __call__(self, action: Callable[[], Result]) -> Result:
        """Return the result of ``action`` from its first try or a retry. Raise its last error when retries end."""
        try:
            return action()
        except (sa.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, StoreError) as error:
            if not is_outage(error) or self._seconds <= 0:
                raise
            logger.warning("the database does not answer: %s. Waiting for it.", reason_of(error))
        with self._waiting():
            return self._until_it_answers(action)

    def _until_it_answers(self, action: Callable[[], Result]) -> Result:
        began, pause = time.monotonic(), _FIRST_PAUSE_S
        while True:
            time.sleep(pause)
            try:
                result = action()
            except (sa.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, StoreError) as error:
                waited = time.monotonic() - began
                if not is_outage(error) or waited > self._seconds or self._is_over():
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                logger.warning("the database answers again, after %.0f s.", time.monotonic() - began)
                return result

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        with self._lock:
            self._num_waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_waiting -= 1


NO_RETRY = RetryPolicy(seconds=0.0)


def patient(cls: Cls) -> Cls:
    """Decorate a class so that ``self.retry_policy`` retries each public method while the database does not answer.

    Every method must be one transaction that may be repeated.
    """
    for name, member in list(vars(cls).items()):
        if not name.startswith("_") and callable(member):
            setattr(cls, name, repeated(member))
    return cls


def repeated(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that its object's ``retry_policy`` retries."""

    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        retry_policy: RetryPolicy = self.retry_policy
        return retry_policy(lambda: method(self, *arguments, **named))

    return call


def is_outage(error: BaseException) -> bool:
    """Return whether the database was unreachable, locked or full, so that the same statement may work later."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sa.exc.DBAPIError):
            return cause.connection_invalidated or _is_outage_of_driver(cause.orig)
        if isinstance(cause, sa.exc.TimeoutError):
            return True  # no connection became free
        cause = cause.__cause__
    return False


def reason_of(error: BaseException) -> str:
    """Return the database driver's message in one line, without the statement and its values."""
    cause: BaseException = error
    while not isinstance(cause, sa.exc.DBAPIError) and cause.__cause__ is not None:
        cause = cause.__cause__
    lines = str(getattr(cause, "orig", None) or cause).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _is_outage_of_driver(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        # The upper bits hold details that do not matter here.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_OUTAGES
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        if state is None:
            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return state[:2] in _POSTGRES_OUTAGES or state in _POSTGRES_COLLISIONS
    return False
