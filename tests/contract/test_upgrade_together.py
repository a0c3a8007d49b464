"""Several drivers start at once on a database that none of them has seen: one makes the tables, the others wait."""

import subprocess
import sys

import pytest
import sqlalchemy as sa

from gatefront.search.storage.tables.schema import StudyRow

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

_OPEN = """
import sys
from gatefront.search.storage.database.open import open_store
print("ready", flush=True)
sys.stdin.readline()
open_store(sys.argv[1])
"""


def test_processes_may_open_a_new_database_at_once(engine: sa.Engine, url: str) -> None:
    tables = sa.MetaData()
    tables.reflect(engine)
    tables.drop_all(engine)
    command = [sys.executable, "-c", _OPEN, url]
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
    assert sa.inspect(engine).has_table("studies"), "Optuna's"
