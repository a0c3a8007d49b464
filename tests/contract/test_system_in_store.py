"""What the system page and the trial page ask of the store beside results, in both kinds of database."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatefront.search.results.states import StudyState
from gatefront.search.service.amendments import void_trial
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.lease import Lease
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow

NewRow = Callable[..., StudyRow]

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")


@pytest.fixture
def store(engine: sa.Engine, new_row: NewRow, tmp_path: Path) -> StudyStore:
    """Trial 0 has failed, 1 trains, 2 waits, 3 repeats 0; a driver is alive."""
    row = new_row()
    row.storage_dir = str(tmp_path / "runs")
    row.file_text = '[study]\nname = "digits"\ndisk_quota = "2G"\n'
    store = StudyStore.create(engine, row)
    Lease(engine, "digits").acquire()
    store.set_state(StudyState.RUNNING)
    for number in range(3):
        initial = "rooms 7.1" if number == 1 else None
        store.open_trial(number, params={}, seed=number, num_epochs=5, initial=initial)
    store.open_trial(3, params={}, seed=7, num_epochs=5, confirms=0)
    store.fail_trial(0, "the loss is NaN")
    store.start_attempt(1, "node-2/pid:[1]/4711/99")
    return store


def test_nothing_is_there_before_the_first_study(url: str) -> None:
    system = StudyReader(url).system()
    assert (system.loads, system.running, system.disks) == ((), (), ())
    assert system.database.latency_ms is None


def test_who_drives_and_who_trains(store: StudyStore, url: str, tmp_path: Path) -> None:
    system = StudyReader(url).system()
    (load,) = system.loads
    assert (load.study, load.state) == ("digits", StudyState.RUNNING)
    assert load.driver.endswith(f"process {load.driver.rpartition(' ')[2]}")
    assert load.heartbeat_at is not None
    # Of four asked for three were handed out; the repeat is not one of them.
    assert (load.num_running, load.num_queued, load.num_left) == (1, 1, 1)
    (running,) = system.running
    assert (running.number, running.worker, running.attempts) == (1, "node-2, process 4711", 1)
    assert not running.is_lost
    (disk,) = system.disks
    assert (disk.study, disk.folder, disk.quota) == ("digits", tmp_path / "runs" / "digits", 2 * 2**30)


def test_a_void_trial_is_to_be_replaced(store: StudyStore, engine: sa.Engine, url: str) -> None:
    void_trial(engine, "digits", 0, "a broken GPU")
    (load,) = StudyReader(url).system().loads
    assert load.num_left == 2


def test_a_study_that_is_over_has_no_load(store: StudyStore, url: str) -> None:
    store.set_state(StudyState.STOPPED)
    system = StudyReader(url).system()
    assert (system.loads, system.running) == ((), ())
    assert [disk.study for disk in system.disks] == ["digits"]


def test_health_of_the_database(store: StudyStore, url: str) -> None:
    database = StudyReader(url).system().database
    assert database.kind in ("SQLite", "PostgreSQL")
    assert database.latency_ms is not None
    assert database.num_bytes is not None
    assert database.num_bytes > 4096
    assert database.schema.isdigit()


def test_status_counts_what_is_done_without_repeats(store: StudyStore, engine: sa.Engine, url: str) -> None:
    store.fail_trial(3, "a repeat")
    status = StudyReader(url).status("digits")
    assert (status.state, status.num_done, status.num_trials) == (StudyState.RUNNING, 1, 4)
    void_trial(engine, "digits", 0, "a broken GPU")
    status = StudyReader(url).status("digits")
    assert status.num_done == 0
    assert [event.kind for event in status.events] == ["voided"]


def test_trace_of_a_trial(store: StudyStore, url: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "digits" / "trials" / "1"
    folder.mkdir(parents=True)
    (folder / "worker.log").write_text("epoch 1 of 5\n")
    reader = StudyReader(url)
    provenance = reader.provenance("digits", 1)
    assert (provenance.initial, provenance.worker, provenance.log) == (
        "rooms 7.1",
        "node-2, process 4711",
        "epoch 1 of 5\n",
    )
    assert provenance.log_dir == str(folder)
    assert reader.provenance("digits", 0).confirmed_by == (3,)
    assert reader.provenance("digits", 3).confirms == 0
    assert (reader.provenance("digits", 0).initial, reader.provenance("digits", 2).worker) == ("", "")
