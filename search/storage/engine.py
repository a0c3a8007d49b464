"""From a database URL to an engine: WAL and patience for SQLite, checked connections for everything else."""

from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from search.errors import NoDatabaseError, StoreError

# A reader may hold SQLite's lock for a moment; 5 s, the default, was seen to fail beside a dashboard.
_SQLITE_PATIENCE_S = 30
_POOL_RECYCLE_S = 300


def open_engine(url: str) -> sa.Engine:
    """A read-write engine. Creates the folder of a SQLite file; raises :class:`StoreError` for a malformed URL."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True, pool_recycle=_POOL_RECYCLE_S)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": _SQLITE_PATIENCE_S})
    sa.event.listen(engine, "connect", _set_pragmas)
    return engine


def open_readonly_engine(url: str) -> sa.Engine:
    """An engine for readers. SQLite is opened read-only, so a reader can neither create nor lock a study.

    Raises:
        NoDatabaseError: there is no such SQLite file yet.
        StoreError: the URL is malformed.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(
            parsed, pool_pre_ping=True, pool_recycle=_POOL_RECYCLE_S, isolation_level="REPEATABLE READ"
        )
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


def open_optuna_storage(url: str) -> optuna.storages.RDBStorage:
    """Optuna's own tables in the same database."""
    if _parse(url).get_backend_name() == "sqlite":
        return SqliteStorage(url, engine_kwargs={"connect_args": {"timeout": _SQLITE_PATIENCE_S}})
    kwargs = {"pool_pre_ping": True, "pool_recycle": _POOL_RECYCLE_S}
    return optuna.storages.RDBStorage(url, engine_kwargs=kwargs)


class SqliteStorage(optuna.storages.RDBStorage):
    """RDBStorage with WAL. It rebuilds its engine when unpickled, so the pragmas are attached again there."""

    def __init__(self, url: str, engine_kwargs: dict[str, Any]) -> None:
        super().__init__(url, engine_kwargs=engine_kwargs)
        self._attach()

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._attach()

    def _attach(self) -> None:
        sa.event.listen(self.engine, "connect", _set_pragmas)
        self.engine.dispose()


def unreachable(url: sa.URL, error: Exception) -> StoreError:
    """The error for a database that does not answer; the password is left out."""
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return StoreError(
        f"the database {url.render_as_string(hide_password=True)} cannot be used: {reason}.",
        hint="Check --db or GATEFRONT_DB, that the server runs, and that the folder can be written.",
    )


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError(
            f"--db must be a database URL, found {url!r}.",
            hint="Write sqlite:///runs/gatefront.db or postgresql+psycopg://user@host/name.",
        ) from error


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    # sqlite3 begins no transaction for a SELECT, so two reads of one view could see different states.
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
