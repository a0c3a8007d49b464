"""A lock that one process of this machine holds at a time."""

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
    """Wait until no other process of this user on this host is inside; one that dies lets go.

    The lock is a file in the host's own temporary folder: a study's storage may be shared by several hosts.
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
