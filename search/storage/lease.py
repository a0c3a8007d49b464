"""The driver's lease on a study: one driver at a time, and readers can tell a silent one.

Times are the database's. Its clock may jump all the same, so nobody loses a lease by what a clock says: who would take
a study over watches the heartbeat until it changes, or has not for several beats of the watcher's own steady clock. And
the holder stands in the condition of every write, so that one that was overtaken in its sleep can change nothing.
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
    """True while the study's driver is to be taken for alive; ``now`` is the database's time."""
    if row.driver is None or row.heartbeat_at is None:
        return False
    # A heartbeat of the future is from before the clock was set back.
    return abs(now - row.heartbeat_at) < timedelta(seconds=LEASE_S) and not is_certainly_dead(row.driver)


def require_holder(connection: sa.Connection, study: str, holder: str) -> None:
    """To be called inside a transaction that has written: the study is the ``holder``'s until that is committed.

    Raises:
        LeaseLostError: it is another driver's by now.
    """
    mine = sa.select(StudyRow.name).where(StudyRow.name == study, StudyRow.driver == holder)
    # PostgreSQL keeps who would take it over waiting for the lock; SQLite has one writer at a time anyway.
    if connection.scalar(mine.with_for_update(read=True)) is None:
        raise LeaseLostError(f"study {study!r} was taken over by another driver.")


class Lease:
    """The right to drive one study, renewed by :meth:`beat`.

    ``watch_seconds``: how long the heart of an earlier driver must not have beaten before its study is taken over.
    """

    def __init__(self, engine: sa.Engine, study: str, *, watch_seconds: float = WATCH_S) -> None:
        self._engine = engine
        self._study = study
        self._watch_seconds = watch_seconds
        self.identity = process_identity()

    def acquire(self, *, max_hours: float | None = None) -> None:
        """Take the lease and clear an old stop request. ``max_hours`` caps the session that begins; None: no cap.

        Waits where an earlier driver fell silent that may be alive on another host.

        Raises:
            StudyNotFoundError: there is no such study.
            StudyBusyError: another driver's heart beats.
        """
        holder = self._holder()
        with Session(self._engine) as session, session.begin():
            now = database_time(session)
            # The old holder stands in the condition: of two drivers that got here, one changes the row.
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
        """The study with a driver that is gone, or without one."""
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
        """The cap on this session as it stands now: a person may have changed it."""
        mine = sa.and_(StudyRow.name == self._study, StudyRow.driver == self.identity)
        with Session(self._engine) as session:
            return session.scalar(sa.select(StudyRow.max_hours).where(mine))

    def release(self) -> None:
        """Give the study back; does nothing if it was taken over."""
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
