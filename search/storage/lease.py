"""The driver's lease on a study: one driver at a time, and readers can tell a silent one."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from search.errors import LeaseLostError, StudyBusyError, StudyNotFoundError
from search.process_identity import is_certainly_dead, process_identity
from search.storage.schema import StudyRow

HEARTBEAT_S = 3.0
LEASE_S = 20.0


def holds(row: StudyRow, now: datetime) -> bool:
    """True while the study's driver is to be taken for alive."""
    if row.driver is None or row.heartbeat_at is None:
        return False
    return now - row.heartbeat_at < timedelta(seconds=LEASE_S) and not is_certainly_dead(row.driver)


class Lease:
    """The right to drive one study, renewed by :meth:`beat`."""

    def __init__(self, engine: sa.Engine, study: str) -> None:
        self._engine = engine
        self._study = study
        self._identity = process_identity()

    def acquire(self, *, max_hours: float | None = None) -> None:
        """Take the lease and clear an old stop request. ``max_hours`` caps the sitting that begins; None: no cap.

        Raises:
            StudyNotFoundError: there is no such study.
            StudyBusyError: another driver's heartbeat is fresh.
        """
        now = datetime.now(UTC)
        with Session(self._engine) as session, session.begin():
            row = session.get(StudyRow, self._study)
            if row is None:
                raise StudyNotFoundError(f"there is no study {self._study!r} in the database.")
            if holds(row, now):
                raise StudyBusyError(
                    f"study {self._study!r} is being run by {_readable(row.driver)}.",
                    hint=f"Stop it with `gatefront stop {self._study}`, or wait until it has ended.",
                )
            # The old holder stands in the condition: of two drivers that got here, one changes the row.
            taken = session.connection().execute(
                sa.update(StudyRow)
                .where(StudyRow.name == self._study, StudyRow.driver.is_not_distinct_from(row.driver))
                .where(StudyRow.heartbeat_at.is_not_distinct_from(row.heartbeat_at))
                .values(driver=self._identity, heartbeat_at=now, driver_since=now, max_hours=max_hours)
                .values(stop_requested=False, revision=StudyRow.revision + 1)
            )
            if taken.rowcount != 1:
                raise StudyBusyError(f"study {self._study!r} was taken by another driver at this moment.")

    def beat(self) -> bool:
        """Renew the lease; True if a stop was requested.

        Raises:
            LeaseLostError: another driver has taken the study over.
        """
        mine = sa.and_(StudyRow.name == self._study, StudyRow.driver == self._identity)
        with Session(self._engine) as session, session.begin():
            renewed = session.connection().execute(
                sa.update(StudyRow).where(mine).values(heartbeat_at=datetime.now(UTC))
            )
            if renewed.rowcount != 1:
                raise LeaseLostError(f"study {self._study!r} was taken over by another driver.")
            return bool(session.scalar(sa.select(StudyRow.stop_requested).where(mine)))

    def max_hours(self) -> float | None:
        """The cap on this sitting as it stands now: a person may have changed it."""
        mine = sa.and_(StudyRow.name == self._study, StudyRow.driver == self._identity)
        with Session(self._engine) as session:
            return session.scalar(sa.select(StudyRow.max_hours).where(mine))

    def release(self) -> None:
        """Give the study back; does nothing if it was taken over."""
        mine = sa.and_(StudyRow.name == self._study, StudyRow.driver == self._identity)
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
