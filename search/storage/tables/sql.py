"""Time of the database, which is one clock for all hosts, and a condition on trial numbers."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session


def database_time(session: Session) -> datetime:
    """Return the time of the database's clock. For a SQLite file it is that of the one machine that uses it."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def among(column: sa.ColumnElement[int] | Any, numbers: Collection[int] | None) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition that a trial is one of these; no condition for None."""
    return () if numbers is None else (column.in_(numbers),)
