"""Events: changes that people made to a study."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.records import EventKind, StudyEvent
from gatefront.search.storage.tables.schema import EventRow

COMMAND_LINE = "command line"
_LONGEST_ACTOR = 100


def add_event(session: Session, study: str, kind: EventKind, detail: str, *, actor: str = COMMAND_LINE) -> None:
    """Record a change by ``actor``, whose name is truncated to the column's length."""
    session.add(EventRow(study=study, at=datetime.now(UTC), kind=kind, detail=detail, actor=actor[:_LONGEST_ACTOR]))


def read_events(session: Session, study: str) -> tuple[StudyEvent, ...]:
    """Return the study's events, the first one first."""
    rows = session.scalars(sa.select(EventRow).where(EventRow.study == study).order_by(EventRow.id))
    return tuple(
        StudyEvent(at=row.at, kind=row.kind, detail=row.detail, actor=row.actor)  # type: ignore[arg-type]
        for row in rows
    )
