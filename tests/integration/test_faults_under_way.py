"""Faults on a running study of at least 12 deterministic trials: nothing is lost, doubled or left without an owner."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import Database, PostgresServer, SqliteFile, wait_until
from quick_study import NAME, NUM_EPOCHS, worth

from search.pareto import pareto_front
from search.queries import StudyReader

HERE = Path(__file__).parent


class QuickStudy:
    """A study of quick trials in a database of its own, and the processes that drive it."""

    def __init__(self, storage: Path, database: Database, *, trials: int = 12, epoch_s: float = 0.05) -> None:
        self.storage = storage
        self.database = database
        self.trials = trials
        self._epoch_s = epoch_s
        self._children: list[subprocess.Popen[str]] = []
        storage.mkdir(exist_ok=True)
        # Trained references and data stay, everything else is of an earlier study.
        shutil.rmtree(storage / NAME, ignore_errors=True)
        self.release()

    def drive(self, command: str) -> subprocess.Popen[str]:
        arguments = [command, self.database.url, str(self.storage), str(self.trials)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "QUICK_EPOCH_S": str(self._epoch_s)}
        child = subprocess.Popen(
            [sys.executable, str(HERE / "quick_study.py"), *arguments[: 4 if command == "start" else 3]],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._children.append(child)
        return child

    def hold(self) -> None:
        """Every trial stands still before its next epoch is done."""
        (self.storage / "hold").touch()

    def release(self) -> None:
        (self.storage / "hold").unlink(missing_ok=True)

    @property
    def trained(self) -> int:
        """Epochs that workers trained, whether anybody was told or not."""
        logs = (self.storage / NAME / "trials").glob("*/trained.log")
        return sum(len(log.read_text().splitlines()) for log in logs)

    def count(self, sql: str) -> int:
        rows = self.database.query(sql)
        return int(rows[0][0]) if rows else 0

    def wait(self, child: subprocess.Popen[str], condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            if child.poll() is not None:
                out, err = child.communicate()
                pytest.fail(f"ended before {what}: {out}\n{err}")
            return condition()

        wait_until(holds, what)

    def wait_for_running(self, child: subprocess.Popen[str], number: int) -> None:
        running = "SELECT count(*) FROM gatefront_trials WHERE state = 'RUNNING'"
        self.wait(child, lambda: self.count(running) >= number, f"{number} running trials")

    def finish(self, child: subprocess.Popen[str], *, status: int = 0) -> str:
        out, err = child.communicate(timeout=400)
        assert child.returncode == status, f"exit status {child.returncode}\n{out}\n{err}"
        return out + err

    def worker(self) -> int:
        ((worker,), *_) = self.database.query("SELECT worker FROM gatefront_trials WHERE state = 'RUNNING'")
        return int(worker.split("/")[-2])

    def end(self) -> None:
        self.release()
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.communicate(timeout=60)

    def assert_nothing_is_lost_or_doubled(self) -> None:
        """Exactly the trials asked for, each complete and told once, and the front of an undisturbed study."""
        view = StudyReader(self.database.url).view(NAME)
        expected = {number: worth(number) for number in range(len(view.points))}
        found = {point.number: (point.delta_mtl, point.flops) for point in view.points if point.state == "COMPLETE"}
        assert len(found) == self.trials
        assert found == {number: expected[number] for number in found}
        front = pareto_front(list(found.values()))
        assert {p.number for p in view.points if p.on_front} == {n for n, on in zip(found, front, strict=True) if on}
        assert self.count("SELECT count(*) FROM gatefront_trials WHERE state <> 'COMPLETE'") == 0
        assert self.count("SELECT count(*) FROM trials WHERE state IN ('RUNNING', 'WAITING')") == 0
        assert self.count("SELECT count(*) FROM trials WHERE state = 'COMPLETE'") == self.trials
        told = self.database.query(
            "SELECT number, value FROM trials JOIN trial_values USING (trial_id) WHERE objective = 0 ORDER BY number"
        )
        assert told == [(number, expected[number][0]) for number in sorted(found)]
        # Contiguous numbers: a trial that was made and never handed out would leave a gap.
        assert sorted(found) == list(range(self.trials))
        missing = self.trials * NUM_EPOCHS - self.count("SELECT count(*) FROM gatefront_epochs")
        # An epoch is on the disk before it is reported, so each killed worker may take one report along.
        assert 0 <= missing <= self.num_kills
        assert self.count("SELECT count(*) FROM gatefront_studies WHERE driver IS NOT NULL") == 0

    num_kills = 0


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quick") / "runs"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return SqliteFile(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    server.empty()
    return server


@pytest.fixture
def make_study(storage: Path, database: Database) -> Iterator[Callable[..., QuickStudy]]:
    made: list[QuickStudy] = []

    def make(**settings: float) -> QuickStudy:
        made.append(QuickStudy(storage, database, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for study in made:
        study.end()


@pytest.mark.slow
def test_worker_killed_database_stopped_and_rays_folder_deleted(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study()
    study.hold()
    driver = study.drive("start")
    study.wait_for_running(driver, 2)

    os.kill(study.worker(), signal.SIGKILL)
    study.num_kills = 1
    again = "SELECT count(*) FROM gatefront_trials WHERE attempts = 2"
    study.wait(driver, lambda: study.count(again) == 1, "a second attempt")

    before = study.trained
    with study.database.stopped():
        study.release()
        # Both workers train on while nobody can be told.
        study.wait(driver, lambda: study.trained >= before + 2, "epochs trained in the outage")
    after = study.trained
    study.wait(driver, lambda: study.trained > after, "epochs trained after the outage")
    shutil.rmtree(study.storage / NAME / "ray", ignore_errors=True)
    assert "COMPLETE" in study.finish(driver)
    study.assert_nothing_is_lost_or_doubled()
    assert study.count("SELECT sum(attempts) FROM gatefront_trials") == study.trials + 1


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_driver_killed_two_at_once_and_ctrl_c(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study()
    driver = study.drive("start")
    study.wait(driver, lambda: study.trained >= 9, "nine epochs")
    _kill(study, driver)
    study.hold()
    first, second = study.drive("resume"), study.drive("resume")
    refused = _the_one_that_ends(first, second)
    assert "StudyBusyError" in study.finish(refused, status=1)
    driver = second if refused is first else first
    study.wait_for_running(driver, 2)
    # Ctrl-C: trials end after the epoch they are in, and are left to a resume.
    driver.send_signal(signal.SIGINT)
    study.release()
    assert "STOPPED" in study.finish(driver)
    assert study.count("SELECT count(*) FROM gatefront_trials WHERE state = 'RUNNING'") == 0
    done = study.count("SELECT count(*) FROM gatefront_trials WHERE state = 'COMPLETE'")
    assert done < study.trials

    study.hold()
    driver = study.drive("resume")
    study.wait_for_running(driver, 2)
    # A second Ctrl-C does not wait for the epochs: these never end.
    driver.send_signal(signal.SIGINT)
    driver.send_signal(signal.SIGTERM)
    assert "STOPPED" in study.finish(driver)
    study.num_kills += 4
    study.release()
    assert "COMPLETE" in study.finish(study.drive("resume"))
    study.assert_nothing_is_lost_or_doubled()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_driver_killed_at_twenty_random_moments(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study(trials=40)
    moments = random.Random(7)
    driver = study.drive("start")
    for _ in range(20):
        goal = study.trained + moments.randint(1, 6)
        delay = moments.random() * 0.3
        study.wait(driver, lambda goal=goal: study.trained >= goal, "the next moment")  # type: ignore[misc]
        time.sleep(delay)
        _kill(study, driver)
        driver = study.drive("resume")
    assert "COMPLETE" in study.finish(driver)
    study.assert_nothing_is_lost_or_doubled()


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_database_stopped_for_thirty_seconds(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study(epoch_s=0.5)
    driver = study.drive("start")
    study.wait_for_running(driver, 2)
    with study.database.stopped():
        time.sleep(30)
    assert "COMPLETE" in study.finish(driver)
    study.assert_nothing_is_lost_or_doubled()


def _kill(study: QuickStudy, driver: subprocess.Popen[str]) -> None:
    driver.kill()
    driver.communicate(timeout=60)
    study.num_kills += 2


def _the_one_that_ends(first: subprocess.Popen[str], second: subprocess.Popen[str]) -> subprocess.Popen[str]:
    found: list[subprocess.Popen[str]] = []

    def has_ended() -> bool:
        found.extend(child for child in (first, second) if child.poll() is not None)
        return bool(found)

    wait_until(has_ended, "one of two drivers to be refused")
    return found[0]
