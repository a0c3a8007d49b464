"""Health of a study database: its schema versions, the steps of an upgrade, and its integrity."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import optuna
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from gatefront.search.errors import NoDatabaseError, StoreError
from gatefront.search.storage.database.engine import open_engine, open_optuna_storage, open_readonly_engine, unreachable
from gatefront.search.storage.database.migrate import VERSION_TABLE, load_migrations, upgrade_schema
from gatefront.search.storage.database.retry import is_outage, reason_of
from gatefront.search.storage.optuna_internals import MIGRATIONS, STORED_STUDIES, STORED_TRIALS
from gatefront.search.storage.tables.schema import Base, NetworkRow, StudyRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """Version of one owner's tables: the ``current`` revision, this release's ``head``, and the ``steps`` between.

    ``current`` None means that these tables do not exist yet.
    """

    owner: str
    current: str | None
    head: str
    steps: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        return self.current == self.head


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatus:
    """Health of a database. ``problems`` are sentences on faults other than an old schema."""

    url: str
    dialect: str
    schemas: tuple[SchemaVersion, ...]
    num_studies: int
    problems: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Return whether the database needs no upgrade and has no problems."""
        return not self.problems and all(schema.is_current for schema in self.schemas)


def examine_database(url: str) -> SchemaStatus:
    """Read the database's health without changing anything.

    Raises:
        NoDatabaseError: there is no such SQLite file.
        StoreError: the database cannot be reached, or a newer gatefront or Optuna wrote it.
    """
    engine = open_readonly_engine(url)
    try:
        with engine.connect() as connection:
            schemas = (_our_version(connection), _optuna_version(connection))
            problems = tuple(_damage(connection))
            is_readable = not problems and schemas[0].is_current and schemas[1].current is not None
            if is_readable:
                problems = (*_missing_tables(connection), *_disagreements(connection))
            num_studies = _count(connection, StudyRow.__table__) if is_readable else 0
    except sa.exc.DBAPIError as error:
        raise unreachable(make_url(url), error) from error
    finally:
        engine.dispose()
    return SchemaStatus(
        url=make_url(url).render_as_string(hide_password=True),
        dialect=engine.dialect.name,
        schemas=schemas,
        num_studies=num_studies,
        problems=problems,
    )


def upgrade_database(url: str) -> SchemaStatus:
    """Upgrade both schemas to this release's, or create the database. Return its health afterwards.

    Raises:
        StoreError: the database cannot be reached, or a newer gatefront or Optuna wrote it.
    """
    with suppress(NoDatabaseError):
        examine_database(url)  # refuses what is newer, before anything is touched
    try:
        storage = open_optuna_storage(url, is_old=True)
        storage.upgrade()
    except (sa.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise unreachable(make_url(url), error) from error
    engine = open_engine(url)
    try:
        upgrade_schema(engine)
    finally:
        engine.dispose()
    return examine_database(url)


def _our_version(connection: sa.Connection) -> SchemaVersion:
    return _version("gatefront", connection, load_migrations()[1], VERSION_TABLE)


def _optuna_version(connection: sa.Connection) -> SchemaVersion:
    return _version("Optuna", connection, ScriptDirectory(str(MIGRATIONS)), "alembic_version")


def _version(owner: str, connection: sa.Connection, scripts: ScriptDirectory, table: str) -> SchemaVersion:
    context = MigrationContext.configure(connection, opts={"version_table": table})
    current, head = context.get_current_revision(), str(scripts.get_current_head())
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise StoreError(
            f"the database has {owner}'s schema {current}, which this gatefront does not know: a newer one wrote it.",
            hint="Upgrade gatefront.",
        )
    missing = list(scripts.walk_revisions(base=current or "base", head="heads"))
    steps = tuple(f"{script.revision}: {script.doc}" for script in reversed(missing) if script.revision != current)
    return SchemaVersion(owner=owner, current=current, head=head, steps=steps)


def _damage(connection: sa.Connection) -> Iterator[str]:
    """Yield the faults that SQLite finds in its file. A server checks its own files."""
    if connection.dialect.name != "sqlite":
        return
    try:
        found = [line for (line,) in connection.execute(sa.text("PRAGMA integrity_check")) if line != "ok"]
    except sa.exc.DatabaseError as error:
        if is_outage(error):
            raise
        found = [reason_of(error)]  # so damaged that it cannot be gone through
    yield from (f"the file is damaged: {line}." for line in found)
    if not found:
        for table, *_ in connection.execute(sa.text("PRAGMA foreign_key_check")):
            yield f"a row of {table} belongs to one that is not there."


def _missing_tables(connection: sa.Connection) -> Iterator[str]:
    present = set(sa.inspect(connection).get_table_names())
    yield from (f"the table {name} is missing." for name in Base.metadata.tables if name not in present)


def _disagreements(connection: sa.Connection) -> Iterator[str]:
    """Yield trials that Optuna's tables lack, and COMPLETE trials without a result."""
    proposed = (
        sa.select(STORED_TRIALS.c.trial_id)
        .join(STORED_STUDIES, STORED_STUDIES.c.study_id == STORED_TRIALS.c.study_id)
        .where(STORED_STUDIES.c.study_name == TrialRow.study, STORED_TRIALS.c.number == TrialRow.number)
    )
    unknown = sa.select(TrialRow.study, TrialRow.number).where(~proposed.exists())
    for study, number in connection.execute(unknown):
        yield f"trial {number} of study {study!r} is not among Optuna's trials."
    own = sa.select(NetworkRow.number).where(
        NetworkRow.study == TrialRow.study, NetworkRow.number == TrialRow.number, NetworkRow.derived == 0
    )
    empty = sa.select(TrialRow.study, TrialRow.number).where(TrialRow.state == "COMPLETE", ~own.exists())
    for study, number in connection.execute(empty):
        yield f"trial {number} of study {study!r} is COMPLETE without a result."


def _count(connection: sa.Connection, table: sa.FromClause) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
