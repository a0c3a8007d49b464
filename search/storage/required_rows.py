"""Rows that must exist: a study, or one of its trials."""

from sqlalchemy.orm import Session

from gatefront.search.errors import StudyNotFoundError
from gatefront.search.storage.tables.schema import StudyRow, TrialRow


def require_study(session: Session, study: str) -> StudyRow:
    """Return the study's row. Raise :class:`StudyNotFoundError` if there is none."""
    row = session.get(StudyRow, study)
    if row is None:
        raise StudyNotFoundError(f"there is no study {study!r} in the database.")
    return row


def require_trial(session: Session, study: str, number: int) -> TrialRow:
    """Return the trial's row. Raise :class:`StudyNotFoundError` if there is none."""
    row = session.get(TrialRow, (study, number))
    if row is None:
        raise StudyNotFoundError(f"study {study!r} has no trial {number}.")
    return row
