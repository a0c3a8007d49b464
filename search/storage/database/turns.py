"""Processes that open one database at once take turns: whoever comes first makes the tables."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from gatefront.search.storage.database.locks import host_lock

# Any number that no other program on the same database takes, nor the upgrade of our own tables.
_LOCK_KEY = 0x6761746566726F6F


@contextmanager
def turn_to_open(engine: sa.Engine) -> Iterator[None]:
    """Wait until no other process opens this database; one that dies lets go.

    Optuna looks for its tables and then makes those it misses, so that of two that look at once one fails. A SQLite
    file belongs to one host, and its own lock would keep out Optuna too.
    """
    if engine.dialect.name == "sqlite":
        path = Path(engine.url.database or "").resolve()
        with host_lock(f"database-{hashlib.sha256(bytes(path)).hexdigest()[:16]}"):
            yield
    elif engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
            yield
    else:
        yield
