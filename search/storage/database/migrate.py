"""Upgrades of our tables to this release's schema. Optuna stores its own version in a table of the same database."""

from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gatefront.search.errors import StoreError
from gatefront.search.storage.database.engine import open_engine, unreachable

# Optuna owns `alembic_version`. Sharing it stops Alembic with "Can't locate revision".
VERSION_TABLE = "gatefront_schema_version"
# Any number that no other program on the same database takes.
_LOCK_KEY = 0x6761746566726F6E
# Alembic stores the environment of an upgrade in its module, which all threads of a process share.
_ONE_AT_A_TIME = Lock()


def upgrade_schema(engine: sa.Engine) -> None:
    """Create or upgrade our tables.

    Raises:
        StoreError: the database cannot be reached, or a newer gatefront wrote it.
    """
    config, scripts = load_migrations()
    try:
        with engine.begin() as connection:
            _refuse_newer(connection, scripts)
            if _revision(connection) != scripts.get_current_head():
                _wait_for_others(connection)
                _run_upgrade(connection, config, scripts)
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise unreachable(engine.url, error) from error


def upgrade_older(reading: sa.Engine, url: str) -> None:
    """Upgrade a database whose tables are an earlier release's. ``reading`` need not be writable.

    Do nothing if our tables do not exist yet or are up to date.

    Raises:
        StoreError: it cannot be written, or a newer gatefront wrote it.
    """
    _, scripts = load_migrations()
    with reading.connect() as connection:
        current = _revision(connection)
    if current is None or current == scripts.get_current_head():
        return
    writing = open_engine(url)
    try:
        upgrade_schema(writing)
    finally:
        writing.dispose()


def load_migrations() -> tuple[Config, ScriptDirectory]:
    """Load every step from an empty database to this release's schema."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config, ScriptDirectory.from_config(config)


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _refuse_newer(connection: sa.Connection, scripts: ScriptDirectory) -> None:
    current = _revision(connection)
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise StoreError(f"the database has schema {current}, which this gatefront does not know.", hint="Upgrade it.")


def _wait_for_others(connection: sa.Connection) -> None:
    """Lock out upgrades by other processes until the transaction ends. Several drivers may start on a new database."""
    if connection.dialect.name == "sqlite":
        # SQLite's driver begins no transaction for statements that create tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))


def _run_upgrade(connection: sa.Connection, config: Config, scripts: ScriptDirectory) -> None:
    def steps(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs("head", revision)

    with _ONE_AT_A_TIME, EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()
