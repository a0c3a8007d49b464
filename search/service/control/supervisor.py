"""StudySupervisor: resumes studies that a service started and whose driver is lost."""

import logging
import threading
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.errors import StudyBusyError
from gatefront.search.results.states import DONE_STATES, DRIVEN_STATES
from gatefront.search.service.control.study_control import StudyControl
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.lease import holds
from gatefront.search.storage.tables.schema import StudyRow, TrialRow
from gatefront.search.storage.tables.sql import database_time
from gatefront.spaces.errors import GatefrontError

logger = logging.getLogger(__name__)

ACTOR = "service"
_LOOK_S = 10.0
_MOST_TRIES = 3


class StudySupervisor:
    """Thread that resumes lost studies every few seconds, for the length of a ``with`` block.

    It ignores a study that a person stopped or asked to stop, or that was started from a command line. After three
    drivers in a row were lost without a further finished trial, it no longer resumes the study.
    """

    def __init__(self, url: str, control: StudyControl, *, seconds: float = _LOOK_S) -> None:
        self._url = url
        self._control = control
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gatefront-watch", daemon=True)
        self._tries: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> "StudySupervisor":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The thread is not joined. It may be waiting for a driver, which outlives the service anyway.
        self._ended.set()

    def look(self) -> None:
        """Resume the studies that are lost now."""
        engine, _ = open_store(self._url)
        try:
            with Session(engine) as session:
                lost = [(row.name, _hours_left(row)) for row in _lost_studies(session)]
                done = {name: _count_done(session, name) for name, _ in lost}
        finally:
            engine.dispose()
        for name, hours in lost:
            if self._may_try(name, done[name]):
                self._resume(name, hours)

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.look()
            except (GatefrontError, sa.exc.SQLAlchemyError) as error:
                logger.warning("the studies could not be watched: %s", type(error).__name__)

    def _may_try(self, study: str, num_done: int) -> bool:
        before, tries = self._tries.get(study, (num_done, 0))
        if num_done > before:
            tries = 0
        self._tries[study] = (num_done, tries + 1)
        if tries == _MOST_TRIES:
            logger.error("%s lost its driver %d times without finishing a trial; it is left alone.", study, tries)
        return tries < _MOST_TRIES

    def _resume(self, study: str, hours: float | None) -> None:
        logger.warning("%s has lost its driver; it is resumed.", study)
        try:
            self._control.resume(study, hours=hours, actor=ACTOR)
        except StudyBusyError:
            logger.info("%s is driven again.", study)
        except GatefrontError as error:
            logger.warning("%s could not be resumed: %s", study, error)


def _lost_studies(session: Session) -> list[StudyRow]:
    asked = sa.select(StudyRow).where(
        StudyRow.is_kept.is_(True), StudyRow.stop_requested.is_(False), StudyRow.state.in_(DRIVEN_STATES)
    )
    now = database_time(session)
    # A study without a driver has only just been created.
    return [row for row in session.scalars(asked) if row.driver is not None and not holds(row, now)]


def _hours_left(row: StudyRow) -> float | None:
    """Return the hours left of the lost session's limit; None without a limit.

    The session is assumed to have lasted until the driver's last heartbeat.
    """
    if row.max_hours is None or row.driver_since is None or row.heartbeat_at is None:
        return None
    spent_h = (row.heartbeat_at - row.driver_since).total_seconds() / 3600
    return max(0.0, row.max_hours - spent_h)


def _count_done(session: Session, study: str) -> int:
    done = sa.select(sa.func.count()).where(TrialRow.study == study, TrialRow.state.in_(DONE_STATES))
    return session.scalar(done) or 0
