"""The driver's lease on a study: one driver at a time, and readers can detect a silent one.

Times are the database's. Its clock may jump, so no driver loses a lease because of a time alone. A driver that wants to
take a study over watches the heartbeat. It takes over if the heartbeat stays unchanged for several intervals of the
watcher's own monotonic clock. Every write also requires that its driver holds the lease, so a driver that lost it while
suspended can change nothing.
"""

import logging
import time
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.errors import LeaseLostError, StudyBusyError
from gatefront.search.storage.process_identity import is_certainly_dead, process_identity
from gatefront.search.storage.required_rows import require_study
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.search.storage.tables.sql import database_time

logger = logging.getLogger(__name__)

HEARTBEAT_S = 3.0
LEASE_S = 20.0
WATCH_S = 4 * HEARTBEAT_S
_LOOK_S = 0.5


def holds(row: StudyRow, now: datetime) -> bool:
    """Return whether the study's driver counts as alive. ``now`` is the database's time."""
    if row.driver is None or row.heartbeat_at is None:
        return False
    # A heartbeat in the future dates from before the clock was set back.
    return abs(now - row.heartbeat_at) < timedelta(seconds=LEASE_S) and not is_certainly_dead(row.driver)


def require_holder(connection: sa.Connection, study: str, holder: str) -> None:
    """Require, inside a transaction that has written, that ``holder`` holds the study until the commit.

    Raises:
        LeaseLostError: another driver holds it.
    """
    mine = sa.select(StudyRow.name).where(StudyRow.name == study, StudyRow.driver == holder)
    # In PostgreSQL the lock makes a driver wait that would take over. SQLite has one writer at a time anyway.
    if connection.scalar(mine.with_for_update(read=True)) is None:
        raise LeaseLostError(f"study {study!r} was taken over by another driver.")


class Lease:
    """Right to drive one study, renewed by :meth:`beat`.

    ``watch_seconds`` is how long an earlier driver's heartbeat must stay unchanged before its study is taken over.
    """

    def __init__(self, engine: sa.Engine, study: str, *, watch_seconds: float = WATCH_S) -> None:
        self._engine = engine
        self._study = study
        self._watch_seconds = watch_seconds
        self.identity = process_identity()

    def acquire(self, *, max_hours: float | None = None) -> None:
        """Take the lease and clear an old stop request. ``max_hours`` limits the new session; None means no limit.

        Wait if an earlier driver is silent that may be alive on another host.

        Raises:
            StudyNotFoundError: there is no such study.
            StudyBusyError: another driver sends heartbeats.
        """
        holder = self._holder()
        with Session(self._engine) as session, session.begin():
            now = database_time(session)
            # The condition includes the old holder, so only one of two drivers that get here changes the row.
            taken = session.connection().execute(
                sa.update(StudyRow)
                .where(StudyRow.name == self._study, StudyRow.driver.is_not_distinct_from(holder.driver))
                .where(StudyRow.heartbeat_at.is_not_distinct_from(holder.heartbeat_at))
                .values(driver=self.identity, heartbeat_at=now, driver_since=now, max_hours=max_hours)
                .values(stop_requested=False, revision=StudyRow.revision + 1)
            )
            if taken.rowcount != 1:
                raise StudyBusyError(f"study {self._study!r} was taken by another driver at this moment.")

    def _holder(self) -> StudyRow:
        """Return the study's row once its driver is known to be gone or it has none."""
        first, now = self._look()
        if first.driver is None or is_certainly_dead(first.driver):
            return first
        if holds(first, now):
            raise self._busy(first)
        logger.warning("%s is silent; watching it for %.0f s.", _readable(first.driver), self._watch_seconds)
        until = time.monotonic() + self._watch_seconds
        while time.monotonic() < until:
            time.sleep(min(_LOOK_S, self._watch_seconds))
            row, _ = self._look()
            if (row.driver, row.heartbeat_at) != (first.driver, first.heartbeat_at):
                raise self._busy(row)
        return first

    def _look(self) -> tuple[StudyRow, datetime]:
        with Session(self._engine) as session:
            row = require_study(session, self._study)
            session.expunge(row)
            return row, database_time(session)

    def _busy(self, row: StudyRow) -> StudyBusyError:
        return StudyBusyError(
            f"study {self._study!r} is being run by {_readable(row.driver)}.",
            hint=f"Stop it with `gatefront stop {self._study}`, or wait until it has ended.",
        )

    def beat(self) -> bool:
        """Renew the lease; True if a stop was requested.

        Raises:
            LeaseLostError: another driver has taken the study over.
        """
        mine = sa.and_(StudyRow.name == self._study, StudyRow.driver == self.identity)
        with Session(self._engine) as session, session.begin():
            renewed = session.connection().execute(
                sa.update(StudyRow).where(mine).values(heartbeat_at=database_time(session))
            )
            if renewed.rowcount != 1:
                raise LeaseLostError(f"study {self._study!r} was taken over by another driver.")
            return bool(session.scalar(sa.select(StudyRow.stop_requested).where(mine)))

    def max_hours(self) -> float | None:
        """Return the current limit of this session in hours, which a person may have changed; None means no limit."""
        mine = sa.and_(StudyRow.name == self._study, StudyRow.driver == self.identity)
        with Session(self._engine) as session:
            return session.scalar(sa.select(StudyRow.max_hours).where(mine))

    def release(self) -> None:
        """Release the lease. Do nothing if another driver has taken it over."""
        mine = sa.and_(StudyRow.name == self._study, StudyRow.driver == self.identity)
        with Session(self._engine) as session, session.begin():
            session.execute(
                sa.update(StudyRow)
                .where(mine)
                .values(driver=None, heartbeat_at=None, driver_since=None, max_hours=None)
                .values(stop_requested=False, revision=StudyRow.revision + 1)
            )


def _readable(identity: str | None) -> str:
    host, _namespace, pid, _start = (identity or "///").rsplit("/", 3)
    return f"process {pid} on {host}"
