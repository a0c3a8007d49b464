"""Several drivers start at once on a database that none of them has seen: one makes the tables, the others wait."""

import subprocess
import sys

import pytest
import sqlalchemy as sa

from search.storage.migrate import VERSION_TABLE
from search.storage.schema import Base, StudyRow

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

_UPGRADE = """
import sys
from search.storage.engine import open_engine
from search.storage.migrate import upgrade_schema
print("ready", flush=True)
sys.stdin.readline()
upgrade_schema(open_engine(sys.argv[1]))
"""


def test_processes_may_upgrade_at_once(engine: sa.Engine, url: str) -> None:
    Base.metadata.drop_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {VERSION_TABLE}"))
    command = [sys.executable, "-c", _UPGRADE, url]
    drivers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for driver in drivers:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "ready\n"
    for driver in drivers:
        assert driver.stdin is not None
        driver.stdin.write("go\n")
        driver.stdin.flush()
    for driver in drivers:
        _, errors = driver.communicate(timeout=60)
        assert driver.returncode == 0, errors
    assert sa.inspect(engine).has_table(StudyRow.__tablename__)
