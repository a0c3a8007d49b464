"""Faults on a running study of at least 12 deterministic trials: nothing is lost, doubled or left without an owner."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
from databases import PATIENCE_S, Database, PostgresServer, SqliteFile, wait_until
from quick_study import NAME, NUM_EPOCHS, worth
from ray_nodes import RayNodes

from gatefront.search.results.pareto import pareto_front
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.process_identity import process_of
from gatefront.trainer.checkpoints.atomic_file import replacing

HERE = Path(__file__).parent

pytestmark = [pytest.mark.timeout(3 * PATIENCE_S), pytest.mark.xdist_group("faults under way")]


class QuickStudy:
    """A study of quick trials in a database of its own, and the processes that drive it: on ``nodes``, if given."""

    def __init__(
        self,
        storage: Path,
        database: Database,
        *,
        trials: int = 12,
        epoch_s: float = 0.05,
        nodes: RayNodes | None = None,
    ) -> None:
        self.storage = storage
        self.database = database
        self.trials = trials
        self._environment = os.environ | {"OMP_NUM_THREADS": "1", "QUICK_EPOCH_S": str(epoch_s)}
        self._where: list[str] = []
        if nodes is not None:
            self._environment |= {"QUICK_ADDRESS": nodes.address, "RAY_AUTH_MODE": "disabled"}
            self._where = nodes.on_head
        self._children: list[subprocess.Popen[str]] = []
        storage.mkdir(exist_ok=True)
        # Trained references and data stay, everything else is of an earlier study.
        shutil.rmtree(storage / NAME, ignore_errors=True)
        self.release()

    def drive(self, command: str) -> subprocess.Popen[str]:
        arguments = [command, self.database.url, str(self.storage), str(self.trials)]
        child = subprocess.Popen(
            [*self._where, sys.executable, str(HERE / "quick_study.py"), *arguments[: 4 if command == "start" else 3]],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._children.append(child)
        return child

    def hold(self, since: int = 0) -> None:
        """Every trial from that one on stands still before its next epoch is done: the study cannot end meanwhile."""
        with replacing(self.storage / "hold") as fresh:
            fresh.write_text(str(since))

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

    @property
    def attempts(self) -> int:
        return self.count("SELECT coalesce(sum(attempts), 0) FROM gatefront_trials")

    def wait_for_attempts(self, child: subprocess.Popen[str], number: int) -> None:
        """Until so many attempts were begun. States tell nothing: a killed driver's trials are RUNNING as well."""
        self.wait(child, lambda: self.attempts >= number, f"{number} attempts")

    def finish(self, child: subprocess.Popen[str], *, status: int = 0) -> str:
        out, err = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == status, f"exit status {child.returncode}\n{out}\n{err}"
        return out + err

    @property
    def driver(self) -> int | None:
        """The process that has the study, dead or alive."""
        rows = self.database.query("SELECT driver FROM gatefront_studies WHERE driver IS NOT NULL")
        return int(rows[0][0].split("/")[-2]) if rows else None

    @property
    def workers(self) -> list[int]:
        """The processes that train."""
        rows = self.database.query("SELECT worker FROM gatefront_trials WHERE state = 'RUNNING'")
        return [int(worker.split("/")[-2]) for (worker,) in rows]

    def end(self) -> None:
        self.release()
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.communicate(timeout=PATIENCE_S)

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
        assert not {child.pid for child in self._children} & set(_drivers_with_a_ray_folder())

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

    def make(**settings: Any) -> QuickStudy:
        made.append(QuickStudy(storage, database, **settings))
        return made[-1]

    yield make
    for study in made:
        study.end()


@pytest.fixture
def nodes() -> Iterator[RayNodes]:
    found = RayNodes({"RAY_AUTH_MODE": "disabled"})
    try:
        found.start_head(dashboard=False)
        yield found
    finally:
        found.end()


@pytest.mark.slow
@pytest.mark.parametrize("database", [pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"], indirect=True)
def test_worker_killed_database_stopped_and_rays_folder_deleted(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study()
    study.hold()
    driver = study.drive("start")
    study.wait_for_attempts(driver, 2)

    os.kill(study.workers[0], signal.SIGKILL)
    study.num_kills = 1
    again = "SELECT count(*) FROM gatefront_trials WHERE attempts = 2"
    study.wait(driver, lambda: study.count(again) == 1, "a second attempt")

    with study.database.stopped():
        study.hold(since=4)
        # Both workers train on while nobody can be told.
        study.wait(driver, lambda: study.trained >= 2, "epochs trained in the outage")
    study.wait(driver, lambda: study.trained > 2 * NUM_EPOCHS, "a third trial, handed out after the outage")
    shutil.rmtree(study.storage / NAME / "ray", ignore_errors=True)
    study.release()
    assert "COMPLETE" in study.finish(driver)
    study.assert_nothing_is_lost_or_doubled()
    assert study.count("SELECT sum(attempts) FROM gatefront_trials") == study.trials + 1


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True)
def test_driver_ended_kindly_killed_two_at_once_and_ctrl_c_twice(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study()
    study.hold(since=3)
    driver = study.drive("start")
    study.wait(driver, lambda: study.trained >= 5, "five epochs")
    # SIGTERM, as containers are stopped: trials end after the epoch they are in, and are left to a resume.
    driver.send_signal(signal.SIGTERM)
    study.release()
    assert "STOPPED" in study.finish(driver)
    assert study.count("SELECT count(*) FROM gatefront_trials WHERE state = 'RUNNING'") == 0

    study.hold(since=9)
    first, second = study.drive("resume"), study.drive("resume")
    refused = _the_one_that_ends(first, second)
    assert "StudyBusyError" in study.finish(refused, status=1)
    driver = second if refused is first else first
    goal = study.trained + 3
    study.wait(driver, lambda: study.trained >= goal, "three more epochs")
    _kill(study, driver)

    study.hold()
    begun = study.attempts
    driver = study.drive("resume")
    study.wait_for_attempts(driver, begun + 2)
    # A second Ctrl-C does not wait for the epochs: these never end.
    driver.send_signal(signal.SIGINT)
    driver.send_signal(signal.SIGTERM)
    assert "STOPPED" in study.finish(driver)
    study.num_kills += 2
    study.release()
    assert "COMPLETE" in study.finish(study.drive("resume"))
    study.assert_nothing_is_lost_or_doubled()


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True)
def test_node_killed(make_study: Callable[..., QuickStudy], nodes: RayNodes) -> None:
    study = make_study(nodes=nodes)
    doomed = nodes.start_worker()
    nodes.start_worker()
    study.hold()
    driver = study.drive("start")
    study.wait_for_attempts(driver, 2)
    assert len(set(study.workers) & set(nodes.pids(doomed))) == 1
    nodes.kill(doomed)
    study.num_kills = 1
    study.release()
    # What the node trained goes on on the other one.
    assert "COMPLETE" in study.finish(driver)
    study.assert_nothing_is_lost_or_doubled()
    assert study.attempts == study.trials + 1


@pytest.mark.slow
@pytest.mark.parametrize("database", [pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"], indirect=True)
def test_the_disk_is_full_and_has_room_again(
    make_study: Callable[..., QuickStudy], small_disk: Callable[[Path, str], AbstractContextManager[None]]
) -> None:
    study = make_study()
    folder = study.storage / NAME
    with small_disk(folder, "32m"):
        study.hold(since=4)
        driver = study.drive("start")
        study.wait(driver, lambda: study.trained >= 9, "nine epochs")
        filled_up = _fill(folder)
        study.release()
        assert "STOPPED" in study.finish(driver)
        view = StudyReader(study.database.url).view(NAME)
        assert "disk" in view.summary.message
        assert {point.state for point in view.points} <= {"COMPLETE", "QUEUED"}
        filled_up.unlink()
        assert "COMPLETE" in study.finish(study.drive("resume"))
        study.assert_nothing_is_lost_or_doubled()


@pytest.mark.soak
@pytest.mark.timeout(2 * 3600)
def test_driver_killed_at_twenty_random_moments(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study(trials=60)
    moments = random.Random(7)
    driver = study.drive("start")
    for kill in range(20):
        # Three trials more than at the last kill: the study does not end before the last one.
        study.hold(since=3 * (kill + 1))
        goal = min(study.trained, 3 * kill * NUM_EPOCHS) + moments.randint(1, 6)
        delay = moments.random()
        if kill % 2:
            # While it takes the study up and starts Ray.
            study.wait(driver, lambda driver=driver: study.driver == driver.pid, "the lease")  # type: ignore[misc]
            time.sleep(3 * delay)
        else:
            study.wait(driver, lambda goal=goal: study.trained >= goal, "the next moment")  # type: ignore[misc]
            time.sleep(0.3 * delay)
        _kill(study, driver)
        driver = study.drive("resume")
    study.release()
    assert "COMPLETE" in study.finish(driver)
    study.assert_nothing_is_lost_or_doubled()


@pytest.mark.soak
def test_database_stopped_for_thirty_seconds(make_study: Callable[..., QuickStudy]) -> None:
    study = make_study(epoch_s=0.5)
    driver = study.drive("start")
    study.wait_for_attempts(driver, 2)
    with study.database.stopped():
        time.sleep(30)
    assert "COMPLETE" in study.finish(driver)
    study.assert_nothing_is_lost_or_doubled()


def _drivers_with_a_ray_folder() -> Iterator[int | None]:
    for owner in Path(tempfile.gettempdir()).glob("gf*/driver.txt"):
        # Other tests' drivers may end meanwhile.
        with suppress(FileNotFoundError):
            yield process_of(owner.read_text())


def _kill(study: QuickStudy, driver: subprocess.Popen[str]) -> None:
    driver.kill()
    driver.communicate(timeout=PATIENCE_S)
    study.num_kills += 2


def _the_one_that_ends(first: subprocess.Popen[str], second: subprocess.Popen[str]) -> subprocess.Popen[str]:
    found: list[subprocess.Popen[str]] = []

    def has_ended() -> bool:
        found.extend(child for child in (first, second) if child.poll() is not None)
        return bool(found)

    wait_until(has_ended, "one of two drivers to be refused")
    return found[0]


def _fill(folder: Path) -> Path:
    """Take all that the folder's disk has left."""
    path = folder / "of somebody else"

    def write_on() -> None:
        with path.open("wb", buffering=0) as out:
            while True:
                out.write(b"x" * 4096)

    with pytest.raises(OSError, match="No space left"):
        write_on()
    return path
