"""What time it is for a study: one clock for all hosts, the database's."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session


def database_time(session: Session) -> datetime:
    """The time by the database's clock; a SQLite file has that of the one machine it is used on."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)
