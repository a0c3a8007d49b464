"""Engines for database URLs: WAL and lock waits for SQLite, checked connections for all others."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from gatefront.search.errors import NoDatabaseError, StoreError
from gatefront.search.storage.database.optuna_storage import SqliteStorage, StudyStorage, set_pragmas

# A reader may hold SQLite's lock for a moment; 5 s, the default, was seen to fail beside a dashboard.
_SQLITE_PATIENCE_S = 30
_POOL_RECYCLE_S = 300
# Without these limits a driver waits a quarter of an hour for a server that is cut off rather than stopped.
_POSTGRES_LIMITS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def open_engine(url: str) -> sa.Engine:
    """Open a read-write engine. Create the folder of a SQLite file. Raise :class:`StoreError` for a malformed URL."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, **_server_settings(parsed))
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": _SQLITE_PATIENCE_S})
    sa.event.listen(engine, "connect", set_pragmas)
    return engine


def open_readonly_engine(url: str) -> sa.Engine:
    """Open an engine for readers. SQLite is opened read-only, so a reader can neither create nor lock a study.

    Raises:
        NoDatabaseError: there is no such SQLite file yet.
        StoreError: the URL is malformed.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, isolation_level="REPEATABLE READ", **_server_settings(parsed))
    if not parsed.database:
        raise StoreError("a database in memory cannot be shared.", hint="Name a file: sqlite:///runs/gatefront.db.")
    path = Path(parsed.database)
    if not path.is_file():
        raise NoDatabaseError(
            f"there is no database at {path}.", hint="Start a study first, or name its database with --db URL."
        )
    readonly = URL.create("sqlite", database=f"file:{path.resolve()}", query={"mode": "ro", "uri": "true"})
    engine = sa.create_engine(readonly, connect_args={"timeout": _SQLITE_PATIENCE_S})
    sa.event.listen(engine, "connect", _leave_transactions_to_us)
    sa.event.listen(engine, "begin", _begin)
    return engine


def open_optuna_storage(url: str, *, is_old: bool = False) -> StudyStorage:
    """Open Optuna's tables in the same database. ``is_old`` allows those of an earlier Optuna, to be upgraded."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        settings: dict[str, Any] = {"connect_args": {"timeout": _SQLITE_PATIENCE_S}}
        return SqliteStorage(url, settings, skip_compatibility_check=is_old)
    return StudyStorage(url, _server_settings(parsed), skip_compatibility_check=is_old)


def unreachable(url: sa.URL, error: Exception) -> StoreError:
    """Return the error for a database that does not answer, without the password."""
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return StoreError(
        f"the database {url.render_as_string(hide_password=True)} cannot be used: {reason}.",
        hint="Check --db or GATEFRONT_DB, that the server runs, and that the folder can be written.",
    )


def _server_settings(url: URL) -> dict[str, Any]:
    settings: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": _POOL_RECYCLE_S}
    if url.get_backend_name() == "postgresql":
        settings["connect_args"] = {name: value for name, value in _POSTGRES_LIMITS.items() if name not in url.query}
    return settings


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError(
            f"--db must be a database URL, found {url!r}.",
            hint="Write sqlite:///runs/gatefront.db or postgresql+psycopg://user@host/name.",
        ) from error


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    # sqlite3 begins no transaction for a SELECT, so two reads of one view could see different states.
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
