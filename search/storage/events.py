"""What a person changed about a study, one line each."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from search.records import EventKind, StudyEvent
from search.storage.schema import EventRow


def add_event(session: Session, study: str, kind: EventKind, detail: str) -> None:
    session.add(EventRow(study=study, at=datetime.now(UTC), kind=kind, detail=detail))


def read_events(session: Session, study: str) -> tuple[StudyEvent, ...]:
    """The study's events, the first one first."""
    rows = session.scalars(sa.select(EventRow).where(EventRow.study == study).order_by(EventRow.id))
    return tuple(StudyEvent(at=row.at, kind=row.kind, detail=row.detail) for row in rows)  # type: ignore[arg-type]
