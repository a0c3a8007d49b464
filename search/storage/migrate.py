"""Bringing our tables to this release's schema. Optuna keeps its own version in its own table of the same database."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from search.errors import StoreError
from search.storage.engine import unreachable

# Optuna owns `alembic_version`: sharing it stops Alembic with "Can't locate revision".
VERSION_TABLE = "gatefront_schema_version"


def upgrade_schema(engine: sa.Engine) -> None:
    """Create or upgrade our tables.

    Raises:
        StoreError: the database cannot be reached, or a newer gatefront wrote it.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    try:
        with engine.begin() as connection:
            _refuse_newer(connection, scripts)
            _run_upgrade(connection, config, scripts)
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise unreachable(engine.url, error) from error


def _refuse_newer(connection: sa.Connection, scripts: ScriptDirectory) -> None:
    current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise StoreError(f"the database has schema {current}, which this gatefront does not know.", hint="Upgrade it.")


def _run_upgrade(connection: sa.Connection, config: Config, scripts: ScriptDirectory) -> None:
    def steps(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs("head", revision)

    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()
