"""What the store does when the database does not answer, when clocks jump, and when two drivers want one study."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.driver.heartbeat import Heartbeat
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.write_queue import WriteQueue
from gatefront.search.errors import LeaseLostError, StudyBusyError, StudyNotFoundError
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.storage import lease as lease_module
from gatefront.search.storage.database.engine import open_optuna_storage
from gatefront.search.storage.database.retry import RetryPolicy, is_outage, reason_of
from gatefront.search.storage.lease import Lease
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow

NewRow = Callable[..., StudyRow]
ELSEWHERE = "elsewhere/ns/1/2"

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")


class Outage:
    """Makes every new statement of an engine fail as it does when the server is gone, until told to stop."""

    def __init__(self, engine: sa.Engine) -> None:
        self.is_on = False
        self.num_refused = 0
        sa.event.listen(engine, "before_cursor_execute", self._refuse)

    def _refuse(self, connection: sa.Connection, *_: object) -> None:
        if self.is_on:
            self.num_refused += 1
            if connection.dialect.name == "sqlite":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            raise psycopg.OperationalError("server closed the connection unexpectedly")


@contextmanager
def _ended_by(outage: Outage, after: int) -> Iterator[None]:
    """The outage, until so many statements were refused."""
    outage.is_on = True
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set() and outage.num_refused < after:
            time.sleep(0.01)
        outage.is_on = False

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_write_waits_for_the_database_and_is_made_once(engine: sa.Engine, new_row: NewRow) -> None:
    StudyStore.create(engine, new_row())
    store = StudyStore(engine, "digits", retry_policy=RetryPolicy())
    store.open_trial(0, params={}, seed=0, num_epochs=3)
    outage = Outage(engine)
    with _ended_by(outage, after=2):
        store.start_attempt(0, "host/ns/1/2")
    assert outage.num_refused >= 2
    # Told again, as by one whose answer was lost: it is the same attempt.
    store.start_attempt(0, "host/ns/1/2")
    assert store.trial_states() == {0: TrialState.RUNNING}
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT attempts FROM gatefront_trials")).scalar_one() == 1


def test_optuna_waits_too_and_a_trial_is_told_once(engine: sa.Engine, url: str) -> None:
    storage = open_optuna_storage(url)
    storage.retry_policy = RetryPolicy()
    study = optuna.create_study(storage=storage, directions=["maximize", "minimize"])
    outage = Outage(storage.engine)
    with _ended_by(outage, after=6):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    outage.num_refused = 0
    with _ended_by(outage, after=1):
        study.tell(trial, [1.0, 2.0])
    # A call whose answer was lost is made again; the trial is in this state already.
    assert storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.COMPLETE, [1.0, 2.0])
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
    assert [found.values for found in study.get_trials()] == [[1.0, 2.0]]


def test_patience_ends(engine: sa.Engine, new_row: NewRow) -> None:
    StudyStore.create(engine, new_row())
    outage = Outage(engine)
    outage.is_on = True
    for retry_policy in (RetryPolicy(seconds=0), RetryPolicy(seconds=0.3), RetryPolicy(is_over=lambda: True)):
        with pytest.raises(sa.exc.OperationalError) as caught:
            StudyStore(engine, "digits", retry_policy=retry_policy).set_message("...")
        assert is_outage(caught.value)
        assert "\n" not in reason_of(caught.value)


def test_mistakes_are_not_waited_for(engine: sa.Engine, new_row: NewRow) -> None:
    retry_policy = RetryPolicy()

    def ask_for_nonsense() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT nothing FROM nowhere"))

    with pytest.raises(sa.exc.DBAPIError):
        retry_policy(ask_for_nonsense)
    with pytest.raises(StudyNotFoundError):
        StudyStore(engine, "digits", retry_policy=retry_policy).set_message("...")
    assert not retry_policy.is_waiting


def test_what_piled_up_in_an_outage_is_stored_in_order(engine: sa.Engine, new_row: NewRow) -> None:
    retry_policy = RetryPolicy()
    StudyStore.create(engine, new_row())
    store = StudyStore(engine, "digits", retry_policy=retry_policy)
    write_queue, outage, done = WriteQueue(retry_policy), Outage(engine), []
    outage.is_on = True
    for number in range(20):

        def work(number: int = number) -> None:
            store.open_trial(number, params={}, seed=number, num_epochs=1)
            done.append(number)

        write_queue.do(work)  # comes back at once, or this test never ends
    assert done == []
    assert not write_queue.is_settled()
    outage.is_on = False
    write_queue.close()
    assert done == list(range(20)) == sorted(store.trial_states())


def test_errors_of_work_in_the_outbox_are_raised() -> None:
    write_queue = WriteQueue(RetryPolicy())
    write_queue.do(lambda: None)
    with pytest.raises(ZeroDivisionError):
        write_queue.do(lambda: 1 / 0)
    write_queue.close()


class TestLeaseUnderFaults:
    @pytest.mark.parametrize("jump", [timedelta(hours=-2), timedelta(hours=2)])
    def test_a_clock_jump_lets_no_second_driver_in(self, engine: sa.Engine, new_row: NewRow, jump: timedelta) -> None:
        StudyStore.create(engine, new_row())
        _hold(engine, ELSEWHERE, datetime.now(UTC) + jump)
        beating = threading.Event()

        def beat() -> None:
            while not beating.wait(0.05):
                _hold(engine, ELSEWHERE, datetime.now(UTC) + jump)

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            with pytest.raises(StudyBusyError, match="elsewhere"):
                # Watched until its heart beats: never so long, and never cut short by a slow machine.
                Lease(engine, "digits", watch_seconds=60.0).acquire()
        finally:
            beating.set()
            thread.join()

    @pytest.mark.parametrize("jump", [timedelta(hours=-2), timedelta(hours=2)])
    def test_a_clock_jump_keeps_no_study_from_being_resumed(
        self, engine: sa.Engine, new_row: NewRow, jump: timedelta
    ) -> None:
        StudyStore.create(engine, new_row())
        _hold(engine, ELSEWHERE, datetime.now(UTC) + jump)
        lease = Lease(engine, "digits", watch_seconds=0.1)
        lease.acquire()
        assert lease.beat() is False

    def test_of_many_drivers_at_once_one_drives(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        _hold(engine, ELSEWHERE, datetime.now(UTC) - timedelta(hours=1))
        outcomes: list[str] = []
        start = threading.Barrier(6)

        def drive(number: int) -> None:
            lease = Lease(engine, "digits", watch_seconds=0.1)
            lease.identity = f"host{number}/ns/1/2"
            start.wait()
            try:
                lease.acquire()
            except StudyBusyError:
                outcomes.append("refused")
            else:
                outcomes.append("drives")

        threads = [threading.Thread(target=drive, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["drives", *["refused"] * 5]

    def test_an_overtaken_driver_can_write_nothing(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        lease = Lease(engine, "digits")
        lease.acquire()
        store = StudyStore(engine, "digits", holder=lease.identity)
        store.set_state(StudyState.RUNNING)
        # It slept through being overtaken, and its own heart has not noticed yet.
        _hold(engine, ELSEWHERE, datetime.now(UTC))
        for write in (
            lambda: store.set_state(StudyState.FAILED),
            lambda: store.open_trial(0, params={}, seed=0, num_epochs=1),
        ):
            with pytest.raises(LeaseLostError):
                write()
        assert store.load().state == StudyState.RUNNING
        assert store.trial_states() == {}

    def test_an_overtaken_driver_changes_nothing_of_optunas(self, engine: sa.Engine, url: str, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        space = {"x": optuna.distributions.FloatDistribution(0, 1)}
        studies = []
        for driver in ("overtaken/ns/1/2", ELSEWHERE):
            _hold(engine, driver, datetime.now(UTC))
            storage = open_optuna_storage(url)
            storage.write_for("digits", driver)
            studies.append(optuna.create_study(storage=storage, study_name="digits", load_if_exists=True))
            studies[-1].enqueue_trial({"x": 0.5})
        # The second one drives by now, and the first one has not noticed.
        overtaken, driving = studies
        trial = driving.ask(space)
        seen = optuna.Trial(overtaken, trial._trial_id)
        writes: list[Callable[[], object]] = [
            lambda: overtaken.ask(space),
            lambda: overtaken.tell(trial.number, 1.0),
            lambda: overtaken.tell(trial.number, state=optuna.trial.TrialState.FAIL),
            lambda: overtaken.enqueue_trial({"x": 0.1}),
            lambda: overtaken.set_user_attr("key", 1),
            lambda: seen.suggest_float("y", 0, 1),
            lambda: seen.set_user_attr("key", 1),
            lambda: seen.set_constraint("flops", 1.0),
        ]
        before = _optunas_rows(engine)
        for write in writes:
            with pytest.raises(LeaseLostError, match="taken over"):
                write()
        assert _optunas_rows(engine) == before
        driving.tell(trial, 2.0)
        assert [found.value for found in overtaken.get_trials() if found.state.is_finished()] == [2.0]

    def test_who_would_take_over_waits_for_a_write_of_optunas(
        self, engine: sa.Engine, url: str, new_row: NewRow
    ) -> None:
        """So that what the earlier driver told last is there when the next one looks."""
        StudyStore.create(engine, new_row())
        _hold(engine, "first/ns/1/2", datetime.now(UTC))
        storage = open_optuna_storage(url)
        storage.write_for("digits", "first/ns/1/2")
        study = optuna.create_study(storage=storage, study_name="digits")
        told, taken = threading.Event(), threading.Event()
        order: list[str] = []

        def take_over() -> None:
            told.wait()
            _hold(engine, ELSEWHERE, datetime.now(UTC))
            order.append("taken")
            taken.set()

        @sa.event.listens_for(storage.engine, "commit")
        def linger(_connection: sa.Connection) -> None:
            if not told.is_set():
                told.set()
                assert not taken.wait(0.3)
                order.append("written")

        thread = threading.Thread(target=take_over)
        thread.start()
        study.set_user_attr("key", 1)
        thread.join()
        assert order == ["written", "taken"]

    def test_a_driver_keeps_its_lease_through_an_outage(
        self, engine: sa.Engine, new_row: NewRow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gatefront.search.driver.heartbeat.HEARTBEAT_S", 0.05)
        monkeypatch.setattr(lease_module, "LEASE_S", 0.2)
        StudyStore.create(engine, new_row())
        stop_request = StopRequest()
        with Heartbeat(Lease(engine, "digits"), stop_request, RetryPolicy()) as heartbeat:
            outage = Outage(engine)
            with _ended_by(outage, after=8):
                while outage.is_on:
                    time.sleep(0.01)
            before = _heartbeat_at(engine)
            while _heartbeat_at(engine) == before:
                time.sleep(0.01)
            heartbeat.check()
            assert not stop_request.is_requested
        assert StudyStore(engine, "digits").load().driver is None

    def test_a_driver_that_was_overtaken_in_an_outage_stops(
        self, engine: sa.Engine, new_row: NewRow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gatefront.search.driver.heartbeat.HEARTBEAT_S", 0.05)
        StudyStore.create(engine, new_row())
        stop_request = StopRequest()
        with Heartbeat(Lease(engine, "digits"), stop_request) as heartbeat:
            _hold(engine, ELSEWHERE, datetime.now(UTC))
            while not stop_request.is_at_once:
                time.sleep(0.01)
            with pytest.raises(LeaseLostError):
                heartbeat.check()
        assert StudyStore(engine, "digits").load().driver == ELSEWHERE


def test_a_full_disk_is_an_outage_and_a_missing_table_is_not(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/full.db")
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE t (x TEXT)"))
        connection.execute(sa.text("PRAGMA max_page_count = 2"))
        with pytest.raises(sa.exc.OperationalError) as full:
            connection.execute(sa.text("INSERT INTO t VALUES (zeroblob(100000))"))
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError) as missing:
        connection.execute(sa.text("SELECT * FROM nowhere"))
    assert is_outage(full.value)
    assert "full" in reason_of(full.value)
    assert not is_outage(missing.value)


def _hold(engine: sa.Engine, driver: str, at: datetime) -> None:
    with Session(engine) as session, session.begin():
        session.execute(sa.update(StudyRow).values(driver=driver, heartbeat_at=at))


def _optunas_rows(engine: sa.Engine) -> list[tuple[object, ...]]:
    tables = ("studies", "study_user_attributes", "trials", "trial_params", "trial_values", "trial_user_attributes")
    found: list[tuple[object, ...]] = []
    with engine.connect() as connection:
        for table in (*tables, "trial_system_attributes"):
            rows = connection.execute(sa.text(f"SELECT * FROM {table}"))
            found += sorted((table, *map(str, row)) for row in rows)
    return found


def _heartbeat_at(engine: sa.Engine) -> datetime | None:
    return StudyStore(engine, "digits").load().heartbeat_at
