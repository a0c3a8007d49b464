"""Changes that a person makes to a study, also while its driver runs. Each records an event."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.errors import AmendmentError
from gatefront.search.results.states import DONE_STATES, DRIVEN_STATES, StudyState, TrialState
from gatefront.search.service.pullable_front import front_can_be_pulled
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.lease import holds
from gatefront.search.storage.required_rows import require_study, require_trial
from gatefront.search.storage.tables.effective_config import load_config, store_config
from gatefront.search.storage.tables.events import COMMAND_LINE, add_event
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.search.storage.tables.sql import database_time


def extend(engine: sa.Engine, study: str, more: int, *, actor: str = COMMAND_LINE) -> bool:
    """Raise the number of trials. Return True if a driver is alive to run them.

    Raises:
        StudyNotFoundError: there is no such study.
        AmendmentError: ``more`` is under 1.
    """
    if more < 1:
        raise AmendmentError(f"--trials must be at least 1 more, found {more}.")
    with _amending(engine, study) as (session, row):
        # The database adds, as two people may extend at the same time.
        session.execute(sa.update(StudyRow).where(StudyRow.name == study).values(num_trials=StudyRow.num_trials + more))
        session.refresh(row)
        if row.config is not None:
            store_config(row, load_config(row))
        add_event(session, study, "extended", f"{_more_trials(more)}, {row.num_trials} in all", actor=actor)
        is_driven = holds(row, database_time(session))
        if not is_driven and row.state == StudyState.COMPLETE:
            row.state, row.message = StudyState.STOPPED, f"{_more_trials(more)} asked for."
        return is_driven


def ask_to_stop(engine: sa.Engine, study: str, *, actor: str = COMMAND_LINE) -> bool:
    """Ask the study's driver to stop after the current epochs. Return False if no driver is alive.

    Raises:
        StudyNotFoundError: there is no such study.
    """
    with _amending(engine, study) as (session, row):
        if not holds(row, database_time(session)):
            return False
        if not row.stop_requested:
            row.stop_requested = True
            add_event(session, study, "stop_asked", "after the current epochs", actor=actor)
        return True


def release_lost_study(engine: sa.Engine, study: str, *, actor: str) -> bool:
    """Set a study whose driver was lost to STOPPED, so that the service does not resume it.

    Return False if the study has a driver or has ended.

    Raises:
        StudyNotFoundError: there is no such study.
    """
    with _amending(engine, study) as (session, row):
        if holds(row, database_time(session)) or row.state not in DRIVEN_STATES:
            return False
        row.state, row.message, row.is_kept = StudyState.STOPPED, "Stopped after its driver was lost.", False
        add_event(session, study, "stop_asked", "its driver was lost", actor=actor)
        return True


def set_hours(engine: sa.Engine, study: str, hours: float | None, *, actor: str = COMMAND_LINE) -> bool:
    """Change the limit of the driver's session, counted from its start; None means no limit.

    Return False if no driver is alive.

    Raises:
        StudyNotFoundError: there is no such study.
        AmendmentError: ``hours`` is negative or no number.
    """
    require_hours(hours)
    with _amending(engine, study) as (session, row):
        if not holds(row, database_time(session)):
            return False
        row.max_hours = hours
        add_event(session, study, "hours_set", "no cap" if hours is None else f"at most {hours:g} h", actor=actor)
        return True


def require_hours(hours: float | None) -> None:
    """Raise :class:`AmendmentError` for hours that cannot limit a session."""
    if hours is not None and not (math.isfinite(hours) and hours >= 0):
        raise AmendmentError(f"hours must be a number of at least 0, found {hours}.", hint="Leave it out for no cap.")


def void_trial(engine: sa.Engine, study: str, number: int, reason: str, *, actor: str = COMMAND_LINE) -> None:
    """Exclude a finished trial and its derived points from all results of the study.

    Raises:
        StudyNotFoundError: there is no such study or trial.
        AmendmentError: no reason is given, the trial is not finished or is void already, or a point that would come
        to the front in its place cannot be pulled any more.
    """
    if not reason.strip():
        raise AmendmentError("--reason is missing: a void trial says why it is.", hint='Add --reason "...".')
    with _amending(engine, study) as (session, row):
        trial = require_trial(session, study, number)
        if trial.state == TrialState.VOID:
            raise AmendmentError(f"trial {number} of study {study!r} is void already: {trial.void_reason}")
        if trial.state not in DONE_STATES:
            raise AmendmentError(
                f"trial {number} of study {study!r} is {trial.state}: only a finished trial can be void.",
                hint="Wait for its end.",
            )
        with front_can_be_pulled(session, row, number):
            trial.voided_from, trial.state, trial.void_reason = trial.state, TrialState.VOID, reason.strip()
        add_event(session, study, "voided", f"trial {number}: {reason.strip()}", actor=actor)


def unvoid_trial(engine: sa.Engine, study: str, number: int, *, actor: str = COMMAND_LINE) -> TrialState:
    """Undo a void and return the trial's earlier state, which it has again.

    Raises:
        StudyNotFoundError: there is no such study or trial.
        AmendmentError: the trial is not void, or it would be on the front and its network was removed.
    """
    with _amending(engine, study) as (session, row):
        trial = require_trial(session, study, number)
        if trial.state != TrialState.VOID or trial.voided_from is None:
            raise AmendmentError(f"trial {number} of study {study!r} is not void, it is {trial.state}.")
        state = TrialState(trial.voided_from)
        with front_can_be_pulled(session, row, number):
            trial.state, trial.voided_from, trial.void_reason = state, None, None
        add_event(session, study, "unvoided", f"trial {number}", actor=actor)
        return state


@contextmanager
def _amending(engine: sa.Engine, study: str) -> Iterator[tuple[Session, StudyRow]]:
    with Session(engine) as session, session.begin():
        yield session, require_study(session, study)
        session.execute(sa.update(StudyRow).where(StudyRow.name == study).values(revision=StudyRow.revision + 1))


def _more_trials(count: int) -> str:
    return "1 more trial" if count == 1 else f"{count} more trials"


def stop_study(name: str, url: str) -> bool:
    """Ask a study's driver to stop after the current epochs. Return False if no driver is alive."""
    engine, _ = open_store(url)
    return ask_to_stop(engine, name)
