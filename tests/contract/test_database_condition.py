"""`gatefront db check` says what is the case and changes nothing; `gatefront db upgrade` does what it said."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatefront.search.cli.main import main
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.database.health_check import examine_database, upgrade_database
from gatefront.search.storage.database.migrate import VERSION_TABLE, load_migrations
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")


def test_a_database_of_this_release_is_well(engine: sa.Engine, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check", "--db", url]) == 0
    text = capsys.readouterr().out
    assert text.count("as this release wants it") == 2
    assert "integrity: ok" in text
    assert main(["db", "upgrade", "--db", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_well"] is True


def test_check_tells_the_steps_and_takes_none(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        before = set(sa.inspect(connection).get_table_names())
    assert main(["db", "check", "--db", url]) == 1
    assert "none yet" in capsys.readouterr().out
    condition = examine_database(url)
    ours, optunas = condition.schemas
    _, scripts = load_migrations()
    assert [step.split(":")[0] for step in ours.steps] == [s.revision for s in scripts.walk_revisions()][::-1]
    assert len(optunas.steps) > 1
    with engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == before
    assert upgrade_database(url).is_well
    engine.dispose()


def test_an_older_schema_is_upgraded_with_its_studies(engine: sa.Engine, url: str, new_row: "type[StudyRow]") -> None:
    StudyStore.create(engine, new_row())
    _, scripts = load_migrations()
    newest, before = [script.revision for script in scripts.walk_revisions()][:2]
    _set_revision(engine, before)
    condition = examine_database(url)
    assert [step.split(":")[0] for step in condition.schemas[0].steps] == [newest]
    assert not condition.is_well
    _set_revision(engine, newest)
    assert examine_database(url).num_studies == 1


@pytest.mark.parametrize("table", [VERSION_TABLE, "alembic_version"])
@pytest.mark.parametrize("action", ["check", "upgrade"])
def test_a_newer_schema_is_refused(
    engine: sa.Engine, url: str, table: str, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {table} SET version_num = '9999'"))
    assert main(["db", action, "--db", url]) == 2
    assert "9999" in capsys.readouterr().err


def test_trials_that_nobody_proposed_are_found(engine: sa.Engine, url: str, new_row: "type[StudyRow]") -> None:
    store = StudyStore.create(engine, new_row())
    store.open_trial(3, params={}, seed=0, num_epochs=1)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE gatefront_trials SET state = 'COMPLETE'"))
    problems = examine_database(url).problems
    assert len(problems) == 2
    assert "trial 3 of study 'digits'" in problems[0]
    assert main(["db", "check", "--db", url]) == 1


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/damaged.db"
    upgrade_database(url)
    path = tmp_path / "damaged.db"
    with open_engine(url).connect() as connection:
        connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        root = connection.execute(
            sa.text("SELECT rootpage FROM sqlite_master WHERE name = 'gatefront_events'")
        ).scalar_one()
        size = connection.execute(sa.text("PRAGMA page_size")).scalar_one()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(content)
    assert any("damaged" in problem for problem in examine_database(url).problems)


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check", "--db", f"sqlite:///{tmp_path}/none.db"]) == 2
    assert "there is no database" in capsys.readouterr().err
    assert main(["db", "check", "--db", "postgresql+psycopg://nobody@127.0.0.1:1/none"]) == 2
    assert list(tmp_path.iterdir()) == []


def _set_revision(engine: sa.Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
