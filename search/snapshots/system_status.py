"""SystemView: the health of the database, and what drives and trains at the moment, over all studies."""

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
    """``latency_ms`` is how long the smallest question took; None, as ``num_bytes``: there is no database yet."""

    kind: str
    address: str
    latency_ms: float | None
    num_bytes: int | None
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLoad:
    """A study that is driven or should be. ``driver`` is its host and process, empty if there is none.

    ``num_left`` trials are still to be handed out, ``num_queued`` of those handed out wait for a worker.
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
    """A worker at work. ``is_lost``: its driver no longer answers, so nobody listens to it."""

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
    """A study's own folder, and the bytes that it may hold; None: no quota."""

    study: str
    folder: Path
    quota: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    """One consistent read, ``at`` a moment of the database's clock. ``disks`` names every study's folder."""

    at: datetime

    database: DatabaseHealth
    loads: tuple[StudyLoad, ...]
    running: tuple[RunningTrial, ...]
    disks: tuple[StudyDisk, ...]


def read_system(url: str, session: Session | None, now: datetime) -> SystemView:
    """``session`` None: there is no database of ours yet."""
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
    # The file was checked when the study began; what else it says does not matter here.
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
    # What was written last may still lie in the journal beside the file.
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
