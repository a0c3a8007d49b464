"""SystemView: the health of the database, and the active drivers and workers of all studies."""

import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from gatefront.search.config.environment import disk_quota
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.study_view import study_state
from gatefront.search.storage.database.migrate import VERSION_TABLE
from gatefront.search.storage.process_identity import host_and_process
from gatefront.search.storage.tables.schema import StudyRow, TrialRow

_LIVE = (StudyState.PREPARING, StudyState.RUNNING, StudyState.STOPPING, StudyState.LOST)
_KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseHealth:
    """Health of the database. ``latency_ms`` is the time of the smallest query.

    ``latency_ms`` and ``num_bytes`` are None if there is no database yet.
    """

    kind: str
    address: str
    latency_ms: float | None
    num_bytes: int | None
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLoad:
    """Study that has a driver or should have one. ``driver`` is its host and process, empty if there is none.

    ``num_left`` trials are yet to be proposed. ``num_queued`` proposed trials wait for a worker.
    """

    study: str
    state: StudyState
    message: str
    driver: str
    heartbeat_at: datetime | None
    num_workers: int
    num_running: int
    num_queued: int
    num_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTrial:
    """Trial that a worker trains. ``is_lost`` means that its driver no longer answers."""

    study: str
    number: int
    worker: str
    epoch: int
    num_epochs: int
    attempts: int
    started_at: datetime | None
    is_lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDisk:
    """Folder of a study, and its quota in bytes; None means no quota."""

    study: str
    folder: Path
    quota: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    """Consistent read at the time ``at`` of the database's clock. ``disks`` has every study's folder."""

    at: datetime

    database: DatabaseHealth
    loads: tuple[StudyLoad, ...]
    running: tuple[RunningTrial, ...]
    disks: tuple[StudyDisk, ...]


def read_system(url: str, session: Session | None, now: datetime) -> SystemView:
    """Read the system's view. ``session`` None means that there is no database of ours yet."""
    if session is None:
        return SystemView(at=now, database=_no_database(url), loads=(), running=(), disks=())
    database = _database_health(url, session)
    rows = session.scalars(sa.select(StudyRow).order_by(StudyRow.created_at.desc())).all()
    live = [(row, state) for row in rows if (state := study_state(row, now)) in _LIVE]
    return SystemView(
        at=now,
        database=database,
        loads=tuple(_load(session, row, state) for row, state in live),
        running=tuple(trial for row, state in live for trial in _running(session, row, state)),
        disks=tuple(_disk(row) for row in rows),
    )


def _disk(row: StudyRow) -> StudyDisk:
    # The file was checked when the study began, so only this value is read.
    asked = tomllib.loads(row.file_text).get("study", {}).get("disk_quota")
    return StudyDisk(study=row.name, folder=Path(row.storage_dir) / row.name, quota=disk_quota(asked))


def _no_database(url: str) -> DatabaseHealth:
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    return DatabaseHealth(
        kind=_KINDS.get(kind, kind),
        address=parsed.render_as_string(hide_password=True),
        latency_ms=None,
        num_bytes=None,
        schema="",
    )


def _database_health(url: str, session: Session) -> DatabaseHealth:
    began = time.perf_counter()
    session.execute(sa.text("SELECT 1"))
    latency_ms = 1000 * (time.perf_counter() - began)
    schema = session.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    return DatabaseHealth(
        kind=_KINDS.get(kind, kind),
        address=parsed.render_as_string(hide_password=True),
        latency_ms=latency_ms,
        num_bytes=_database_bytes(parsed, session),
        schema=str(schema or ""),
    )


def _database_bytes(url: sa.URL, session: Session) -> int | None:
    if url.get_backend_name() == "postgresql":
        return session.scalar(sa.select(sa.func.pg_database_size(sa.func.current_database())))
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    # The latest writes may still be in the journal beside the file.
    files = [Path(f"{url.database}{end}") for end in ("", "-wal")]
    return sum(path.stat().st_size for path in files if path.is_file())


def _load(session: Session, row: StudyRow, state: StudyState) -> StudyLoad:
    query = (
        sa.select(TrialRow.state, sa.func.count())
        .where(TrialRow.study == row.name, TrialRow.confirms.is_(None))
        .group_by(TrialRow.state)
    )
    counts = {TrialState(name): number for name, number in session.execute(query)}
    handed_out = sum(number for found, number in counts.items() if found is not TrialState.VOID)
    return StudyLoad(
        study=row.name,
        state=state,
        message=row.message,
        driver="" if row.driver is None else host_and_process(row.driver),
        heartbeat_at=row.heartbeat_at,
        num_workers=row.num_workers,
        num_running=counts.get(TrialState.RUNNING, 0),
        num_queued=counts.get(TrialState.QUEUED, 0),
        num_left=max(0, row.num_trials - handed_out),
    )


def _running(session: Session, row: StudyRow, state: StudyState) -> Sequence[RunningTrial]:
    query = sa.select(
        TrialRow.number, TrialRow.worker, TrialRow.epoch, TrialRow.num_epochs, TrialRow.attempts, TrialRow.started_at
    ).where(TrialRow.study == row.name, TrialRow.state == TrialState.RUNNING)
    return [
        RunningTrial(
            study=row.name,
            number=number,
            worker=host_and_process(worker),
            epoch=epoch,
            num_epochs=num_epochs,
            attempts=attempts,
            started_at=started_at,
            is_lost=state is StudyState.LOST,
        )
        for number, worker, epoch, num_epochs, attempts, started_at in session.execute(query.order_by(TrialRow.number))
    ]
