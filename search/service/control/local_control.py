"""LocalControl: StudyControl on this machine's database and storage folder."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.doctor.check import Check
from gatefront.search.errors import DriverFailedError, StudyBusyError, StudyExistsError
from gatefront.search.service import amendments
from gatefront.search.service.control.doctor_process import DoctorProcess
from gatefront.search.service.control.driver_job import DriverJob
from gatefront.search.service.control.launcher import Driver, Launcher
from gatefront.search.service.control.study_control import NotRunningError, StartOptions
from gatefront.search.service.control.study_file_policy import StudyFilePolicy, require_options
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.lease import holds
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.search.storage.tables.sql import database_time

_POLL_S = 0.2
# Before the study exists its data are examined, and generated data are rendered. This takes minutes, not hours.
_PATIENCE_S = 1800.0


class LocalControl:
    """Control that starts drivers through a launcher and amends studies in the database. Thread-safe.

    It has to be closed at the end.
    """

    def __init__(self, url: str, storage: Path, launcher: Launcher, *, rules: StudyFilePolicy | None = None) -> None:
        self._url = url
        self._storage = storage
        self._launcher = launcher
        self._rules = rules or StudyFilePolicy()
        self._lock = threading.Lock()
        self._beginning: set[str] = set()
        self._opened: sa.Engine | None = None
        self._examiner = DoctorProcess(url)
        self._closed = threading.Event()

    def close(self) -> None:
        """End all waits and examinations. Drivers that were started keep running."""
        self._closed.set()
        self._examiner.close()

    def examine(self, text: str, options: StartOptions) -> Iterator[Check]:
        """Yield the doctor's checks of a study file, each as soon as it is known. They run in a separate process."""
        order = self._order("examine", self._settle(text, options), "", text=text, options=options)
        with closing(self._examiner.examine(order)) as checks:
            yield from checks

    def start(self, text: str, options: StartOptions, *, actor: str) -> str:
        """Start a driver, which creates the study. Return the study's name once the study can be read.

        Raises:
            StudyFileError: the file breaks a rule, or asks for more than the service allows.
            StudyExistsError, StudyBusyError: such a study exists or is being started.
            DriverRefusedError, DriverFailedError: the driver ended before the study could be read.
        """
        name = self._settle(text, options)
        order = self._order("start", name, actor, text=text, options=options)
        with self._beginning_of(name):
            if self._row(name) is not None:
                raise StudyExistsError(
                    f"the database already holds a study {name!r}.",
                    hint="Resume it, or give [study] another name.",
                )
            self._await(self._launcher.launch(order), name)
        return name

    def resume(self, study: str, *, workers: int | None = None, hours: float | None = None, actor: str) -> None:
        """Start a driver that resumes the study. Return once it holds the study.

        Raises:
            StudyNotFoundError: there is no such study.
            StudyBusyError: a driver is alive or is being started.
            DriverRefusedError, DriverFailedError: the driver ended before it held the study.
        """
        options = StartOptions(workers=workers, hours=hours)
        _check(options)
        row = StudyStore(self._engine, study).load()
        order = replace(self._order("resume", study, actor, options=options), storage=row.storage_dir)
        with self._beginning_of(study):
            if self._is_driven(study):
                raise StudyBusyError(f"study {study!r} is being run already.", hint="Stop it first.")
            self._await(self._launcher.launch(order), study)

    def stop(self, study: str, *, actor: str) -> None:
        """Ask the driver to stop after the current epochs. The service no longer resumes a study whose driver was lost.

        Raises:
            StudyNotFoundError: there is no such study.
            NotRunningError: it has ended already.
        """
        if not (
            amendments.ask_to_stop(self._engine, study, actor=actor)
            or amendments.release_lost_study(self._engine, study, actor=actor)
        ):
            raise _not_running(study)

    def extend(self, study: str, more: int, *, actor: str) -> bool:
        """Raise the number of trials. Return True if a driver is alive to run them."""
        return amendments.extend(self._engine, study, more, actor=actor)

    def set_hours(self, study: str, hours: float | None, *, actor: str) -> None:
        """Change the limit of the running driver's session, counted from its start; None removes it."""
        if not amendments.set_hours(self._engine, study, hours, actor=actor):
            raise _not_running(study)

    def void(self, study: str, number: int, reason: str, *, actor: str) -> None:
        """Exclude a finished trial from front, best, bundles and sampling."""
        amendments.void_trial(self._engine, study, number, reason, actor=actor)

    def unvoid(self, study: str, number: int, *, actor: str) -> None:
        """Undo an earlier void."""
        amendments.unvoid_trial(self._engine, study, number, actor=actor)

    @property
    def _engine(self) -> sa.Engine:
        """Engine of the database, which is created by the first change."""
        with self._lock:
            if self._opened is None:
                self._opened = open_store(self._url)[0]
            return self._opened

    def _settle(self, text: str, options: StartOptions) -> str:
        """Return the name of the study in the text. Raise for everything the driver would refuse, and more."""
        _check(options)
        config = options.apply(self._rules.check(text))
        return config.study.name

    def _order(
        self,
        action: Literal["start", "resume", "examine"],
        study: str,
        actor: str,
        *,
        text: str = "",
        options: StartOptions,
    ) -> DriverJob:
        return DriverJob(
            action=action, study=study, actor=actor, storage=str(self._storage), text=text, options=options
        )

    @contextmanager
    def _beginning_of(self, study: str) -> Iterator[None]:
        """Let only one caller at a time start a driver of this study. Raise ``StudyBusyError`` for others."""
        with self._lock:
            if study in self._beginning:
                raise StudyBusyError(
                    f"study {study!r} is being started at this moment.", hint="Look again in a minute."
                )
            self._beginning.add(study)
        try:
            yield
        finally:
            with self._lock:
                self._beginning.discard(study)

    def _await(self, driver: Driver, study: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self._is_driven(study):
            end = driver.end()
            if end is not None:
                # Since the last check the driver may have begun and ended.
                if end.exit_status == 0 or self._is_driven(study):
                    return
                raise end.as_error()
            if time.monotonic() > deadline:
                raise DriverFailedError(
                    f"the driver has not begun within {_PATIENCE_S / 60:g} minutes; it is left running.",
                    hint="See driver.log in the study's storage folder.",
                )
            if self._closed.wait(_POLL_S):
                raise DriverFailedError("the service ends; the driver has not begun yet and is left running.")

    def _row(self, study: str) -> StudyRow | None:
        with Session(self._engine) as session:
            return session.get(StudyRow, study)

    def _is_driven(self, study: str) -> bool:
        with Session(self._engine) as session:
            row = session.get(StudyRow, study)
            return row is not None and holds(row, database_time(session))


def _check(options: StartOptions) -> None:
    require_options(options)
    amendments.require_hours(options.hours)


def _not_running(study: str) -> NotRunningError:
    return NotRunningError(f"study {study!r} is not running.", hint="There is nothing to stop or to cap.")
