"""Locks that one process at a time holds."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa


@contextmanager
def host_lock(name: str) -> Iterator[None]:
    """Wait until no other process of this user on this host holds the lock. A process that dies releases it.

    The lock is a file in the host's own temporary folder, because several hosts may share a study's storage.
    """
    path = Path(tempfile.gettempdir()) / f"gatefront-{os.getuid()}-{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# Any number that no other program on the same database takes, nor the upgrade of our own tables.
_LOCK_KEY = 0x6761746566726F6F


@contextmanager
def initialization_lock(engine: sa.Engine) -> Iterator[None]:
    """Wait until no other process opens this database. A process that dies releases the lock.

    Optuna creates the tables that it does not find, so one of two simultaneous processes would fail. For SQLite the
    lock is a file, because the database belongs to one host and its own lock would exclude Optuna too.
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
