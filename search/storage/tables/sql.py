"""What time it is for a study: one clock for all hosts, the database's."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session


def database_time(session: Session) -> datetime:
    """The time by the database's clock; a SQLite file has that of the one machine it is used on."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def among(column: sa.ColumnElement[int] | Any, numbers: Collection[int] | None) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a trial is one of these; none at all for None."""
    return () if numbers is None else (column.in_(numbers),)
