"""StudyReader: read-only, frozen records for the command line and the dashboards, safe beside a running driver."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from gatefront.search.config.environment import database_url
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.errors import NoDatabaseError, StudyNotFoundError
from gatefront.search.results.comparison_table import ComparisonTable
from gatefront.search.results.gate_history import GateHistory
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudySummary, StudyView, TrialDetail, TrialPoint
from gatefront.search.results.states import DONE_STATES
from gatefront.search.snapshots.cache.trial_cache import TrialCache
from gatefront.search.snapshots.cache.view_cache_registry import ViewCacheRegistry
from gatefront.search.snapshots.study_status import StudyStatus, read_study_status
from gatefront.search.snapshots.study_view import revision
from gatefront.search.snapshots.system_status import SystemView, read_system
from gatefront.search.snapshots.trial_detail import trial_detail
from gatefront.search.snapshots.trial_provenance import TrialProvenance, read_trial_provenance
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.database.engine import open_readonly_engine, unreachable
from gatefront.search.storage.database.migrate import upgrade_older
from gatefront.search.storage.required_rows import require_trial
from gatefront.search.storage.tables.comparisons import comparison_revision, list_comparison_names, read_comparison
from gatefront.search.storage.tables.effective_config import load_config
from gatefront.search.storage.tables.epochs import read_gate_history
from gatefront.search.storage.tables.latencies import read_latencies
from gatefront.search.storage.tables.networks import read_networks
from gatefront.search.storage.tables.schema import EpochRow, ReferenceRow, StudyRow
from gatefront.search.storage.tables.sql import database_time

Found = TypeVar("Found")


class StudyReader:
    """Reader of the studies of one database. Each call is one short read transaction, so each record is consistent.

    If the database does not exist yet, there are no studies. ``StoreError`` is raised if it cannot be reached. A
    database of an earlier gatefront is first upgraded to this release's schema, which is the only write of a reader. A
    reader caches its results, so reading a study again costs only what has changed since.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: sa.Engine | None = None
        self._is_current = False
        self._has_tables = False
        self._kept = ViewCacheRegistry()
        self._trials = TrialCache()

    def list_studies(self) -> tuple[StudySummary, ...]:
        """Return all studies, the newest first."""
        with self._reading() as session:
            if session is None:
                return ()
            rows = session.scalars(sa.select(StudyRow).order_by(StudyRow.created_at.desc())).all()
            now = database_time(session)
            return tuple(self._kept.summary(session, row, now) for row in rows)

    def view(self, study: str) -> StudyView:
        """Return one study's page. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, row):
            return self._kept.view(session, row, database_time(session))

    def revision(self, study: str) -> str:
        """Return a token; equal ones mean an unchanged view. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, row):
            return revision(row, database_time(session))

    def status(self, study: str) -> StudyStatus:
        """Return the facts that decide which changes the study allows now. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, row):
            return read_study_status(session, row, database_time(session))

    def study_file(self, study: str) -> str:
        """Return the TOML text that the study was started with. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (_, row):
            return row.file_text

    def config(self, study: str) -> StudyConfig:
        """Return the configuration that the study runs with. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (_, row):
            return load_config(row)

    def network_path(self, study: str, number: int, derived: int = 0) -> Path:
        """Return the path of the trained network of a complete trial, or of a point derived from it.

        Raise :class:`StudyNotFoundError`.
        """
        with self._reading_study(study) as (_, row):
            return StudyFolders(Path(row.storage_dir), study).network(number, derived)

    def cache_dir(self, study: str) -> Path:
        """Return the folder where the study's data and references are cached. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (_, row):
            return StudyFolders(Path(row.storage_dir), study).cache

    def trial(self, study: str, number: int) -> TrialDetail:
        """Return everything known of one trial. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, row):
            points, token = self._look_at_trial(session, row, number)
            key = (study, row.created_at, number)
            return self._trials.get_or_read(key, token, lambda: self._read_trial(session, row, number, points))

    def trial_revision(self, study: str, number: int) -> str:
        """Return a token; equal ones mean an unchanged :meth:`trial`. Raise :class:`StudyNotFoundError`.

        The token of a trial that has ended survives most changes of the study.
        """
        with self._reading_study(study) as (session, row):
            return self._look_at_trial(session, row, number)[1]

    def gate_history(self, study: str, number: int) -> GateHistory:
        """Return a trial's gates after each of its epochs. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, _):
            return read_gate_history(session, require_trial(session, study, number))

    def provenance(self, study: str, number: int) -> TrialProvenance:
        """Return a trial's origin, its worker and its log. Raise :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, row):
            return read_trial_provenance(session, row, require_trial(session, study, number))

    def system(self) -> SystemView:
        """Return the database's health, and the drivers and workers that are active now.

        Raise ``StoreError`` if the database cannot be reached.
        """
        with self._reading() as session:
            now = datetime.now(UTC) if session is None else database_time(session)
            return read_system(self.url, session, now)

    def list_comparisons(self) -> tuple[str, ...]:
        """Return the names of all comparisons."""
        with self._reading() as session:
            return () if session is None else list_comparison_names(session)

    def comparison(self, name: str) -> ComparisonTable:
        """Return the current table of a comparison. Raise :class:`StudyNotFoundError`."""
        with self._reading() as session:
            found = None if session is None else read_comparison(session, name)
        return _there(found, name)

    def comparison_revision(self, name: str) -> str:
        """Return a token; equal ones mean an unchanged comparison. Raise :class:`StudyNotFoundError`."""
        with self._reading() as session:
            found = None if session is None else comparison_revision(session, name)
        return _there(found, name)

    def _look_at_trial(self, session: Session, row: StudyRow, number: int) -> tuple[list[TrialPoint], str]:
        """Return the trial's points and its revision."""
        now = database_time(session)
        points = _points(self._kept.view(session, row, now), number)
        if not points or points[0].state not in DONE_STATES:
            return points, revision(row, now)
        return points, sha256(repr((points, read_latencies(session, row.name, number))).encode()).hexdigest()

    def _read_trial(self, session: Session, row: StudyRow, number: int, points: Sequence[TrialPoint]) -> TrialDetail:
        trial = require_trial(session, row.name, number)
        of_trial = (EpochRow.study == row.name, EpochRow.number == number)
        return trial_detail(
            trial,
            session.scalars(sa.select(EpochRow).where(*of_trial).order_by(EpochRow.epoch)).all(),
            points,
            read_networks(session, row.name, number),
            read_latencies(session, row.name, number),
            partial(self._pull_command, row.name),
        )

    def _pull_command(self, study: str, label: PointLabel) -> str:
        words = ["gatefront", "pull", study, "--trial", str(label), "-o", f"{study}-{label}"]
        if self.url != database_url():
            words += ["--db", make_url(self.url).render_as_string(hide_password=True)]
        return shlex.join(words)

    @contextmanager
    def _reading(self) -> Iterator[Session | None]:
        """Open a session in a read transaction. Yield None if there is no database or it lacks our tables."""
        try:
            if self._engine is None:
                self._engine = open_readonly_engine(self.url)
        except NoDatabaseError:
            yield None
            return
        try:
            if not self._is_current:
                upgrade_older(self._engine, self.url)
                self._is_current = True
            with Session(self._engine) as session:
                if not self._has_tables:
                    self._has_tables = sa.inspect(session.connection()).has_table(ReferenceRow.__tablename__)
                yield session if self._has_tables else None
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise unreachable(self._engine.url, error) from error

    @contextmanager
    def _reading_study(self, study: str) -> Iterator[tuple[Session, StudyRow]]:
        with self._reading() as session:
            row = None if session is None else session.get(StudyRow, study)
            if session is None or row is None:
                raise StudyNotFoundError(
                    f"there is no study {study!r} in {make_url(self.url).render_as_string(hide_password=True)}.",
                    hint="`gatefront status` lists the studies; --db names another database.",
                )
            yield session, row


def _points(view: StudyView, number: int) -> list[TrialPoint]:
    """Return a trial's own point, then those derived from it. The list is empty if there is no such trial."""
    return [point for point in (*view.all_points, *view.replicates) if point.number == number]


def _there(found: Found | None, name: str) -> Found:
    if found is None:
        raise StudyNotFoundError(
            f"there is no comparison {name!r}.", hint="Make one with `gatefront compare STUDY.toml`."
        )
    return found


def studies_from(reader: StudyReader, study: str) -> tuple[str, ...]:
    """Return the studies whose warm start is this one."""
    return tuple(summary.name for summary in reader.list_studies() if summary.started_from == study)
