"""A study survives what happens to studies. Real Ray, real SQLite, real training of tiny networks."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from databases import PATIENCE_S
from tiny_study import tiny_study

from gatefront.search.cli.commands.status import status_document
from gatefront.search.cli.json_output import to_text
from gatefront.search.snapshots.reader import StudyReader

pytestmark = pytest.mark.timeout(3 * PATIENCE_S)


class Gatefront:
    """The installed command, with a database and a storage folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = folder / "runs"
        self.database = folder / "gatefront.db"
        self.url = f"sqlite:///{self.database}"
        self._children: list[subprocess.Popen[str]] = []

    def study(
        self, *, trials: int = 2, workers: int = 2, epochs: int = 2, learning_rate: Any = 3e-3, confirm_points: int = 0
    ) -> Path:
        path = self.folder / "study.toml"
        text = tiny_study(
            study={"trials": trials, "workers": workers, "confirm_points": confirm_points, "confirm_seeds": 2},
            train={"epochs": epochs, "learning_rate": learning_rate},
            gates={"tau": 0.2},
        )
        path.write_text(text)
        return path

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "GATEFRONT_DB": self.url,
            "GATEFRONT_STORAGE": str(self.storage),
            "OMP_NUM_THREADS": "1",
        }
        command = [
            sys.executable,
            "-c",
            "import sys; from gatefront.search.cli.main import main; sys.exit(main())",
            *arguments,
        ]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._children.append(child)
        return child

    def run(self, *arguments: str, exit_status: int = 0) -> str:
        """Standard output of a command that must end with this status; its standard error if that is not 0."""
        out, err = self.begin(*arguments).communicate(timeout=PATIENCE_S)
        status = self._children[-1].returncode
        assert status == exit_status, f"exit status {status}\n{out}\n{err}"
        return err if exit_status else out

    def status(self) -> dict[str, Any]:
        """What `gatefront status tiny --json` prints, without the seconds that a process takes to start."""
        document: dict[str, Any] = json.loads(to_text(status_document(StudyReader(self.url).view("tiny"))))
        return document

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def end_children(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.communicate(timeout=PATIENCE_S)


@pytest.fixture
def gatefront(tmp_path: Path) -> Iterator[Gatefront]:
    found = Gatefront(tmp_path)
    yield found
    found.end_children()


def _wait_for(condition: Callable[[], bool], what: str, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if child.poll() is not None:
            out, err = child.communicate()
            pytest.fail(f"ended before {what}: {out}\n{err}")
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@contextmanager
def _asleep(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.mark.slow
def test_diverged_trial_fails_with_its_cause_and_the_study_goes_on(gatefront: Gatefront) -> None:
    study = gatefront.study(trials=5, learning_rate={"choices": [3e-3, 1e30]})
    gatefront.run("start", str(study), "--plain")
    trials = gatefront.status()["trials"]
    states = {(trial["params"]["train.learning_rate"], trial["state"]) for trial in trials}
    assert states == {(3e-3, "COMPLETE"), (1e30, "FAILED")}
    assert all("the loss of left is nan" in trial["cause"] for trial in trials if trial["state"] == "FAILED")
    assert {trial["number"] for trial in trials} == set(range(5))
    assert gatefront.query("SELECT count(*) FROM trials WHERE state NOT IN ('COMPLETE', 'FAIL')") == [(0,)]


@pytest.mark.slow
def test_killed_worker_goes_on_from_its_checkpoint(gatefront: Gatefront) -> None:
    driver = gatefront.begin("start", str(gatefront.study(trials=1, workers=1, epochs=40)), "--plain")
    under_way = "SELECT worker FROM gatefront_trials WHERE state = 'RUNNING' AND epoch >= 5"
    _wait_for(lambda: bool(gatefront.query(under_way)), "epoch 5", driver)
    ((worker,),) = gatefront.query(under_way)
    os.kill(int(worker.split("/")[-2]), signal.SIGKILL)
    out, err = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, f"{out}\n{err}"
    assert gatefront.query("SELECT number, state, attempts FROM gatefront_trials") == [(0, "COMPLETE", 2)]
    epochs = gatefront.query("SELECT epoch, attempt FROM gatefront_epochs ORDER BY epoch")
    numbers = [epoch for epoch, _ in epochs]
    assert len(set(numbers)) == len(numbers)
    # A worker that dies after its checkpoint and before its report takes that one report along.
    assert len(set(range(1, 42)) - set(numbers)) <= 1
    assert sum(attempt == 1 for _, attempt in epochs) >= 5
    assert epochs[-1] == (41, 2)


@pytest.mark.slow
def test_killed_driver_is_resumed_to_exactly_the_asked_trials(gatefront: Gatefront) -> None:
    driver = gatefront.begin("start", str(gatefront.study(trials=4, epochs=15)), "--plain")
    asleep: list[int] = []
    _wait_for(lambda: _falls_asleep_half_way(gatefront, asleep), "one finished and one running trial", driver)
    driver.kill()
    driver.wait(PATIENCE_S)
    for worker in asleep:
        os.kill(worker, signal.SIGCONT)
    driver.communicate(timeout=PATIENCE_S)

    lost = json.loads(gatefront.run("status", "tiny", "--json"))
    assert lost["state"] == "LOST"
    assert {trial["state"] for trial in lost["trials"]} <= {"COMPLETE", "LOST", "QUEUED"}
    finished = [trial for trial in lost["trials"] if trial["state"] == "COMPLETE"]
    assert 1 <= len(finished) < 4
    shutil.rmtree(gatefront.storage / "tiny" / "ray")

    resumed = gatefront.begin("resume", "tiny", "--plain")
    _, err = resumed.communicate(timeout=PATIENCE_S)
    assert resumed.returncode == 0, err
    assert f"kept {len(finished)} finished trials" in err
    after = gatefront.status()
    assert after["state"] == "COMPLETE"
    assert [(trial["number"], trial["state"]) for trial in after["trials"]] == [(n, "COMPLETE") for n in range(4)]
    # Not the values: a driver killed between its own row and telling Optuna has them told on resume.
    untouched = ("params", "finished_at", "seconds", "metrics")
    kept = {trial["number"]: trial for trial in after["trials"]}
    assert all(kept[trial["number"]][name] == trial[name] for trial in finished for name in untouched)
    assert gatefront.query("SELECT state, count(*) FROM trials GROUP BY state") == [("COMPLETE", 4)]
    # What the dead driver's workers had trained was not trained again. They outlive it by seconds, so a trial may
    # even have no epoch left: then only its result was missing.
    interrupted = {trial["number"]: trial["epoch"] for trial in lost["trials"] if trial["state"] == "LOST"}
    assert max(interrupted.values()) >= 2
    for number, epoch in interrupted.items():
        again = "SELECT count(*) FROM gatefront_epochs WHERE attempt = 2"
        assert gatefront.query(f"{again} AND number = {number} AND epoch <= {epoch}") == [(0,)]
        assert gatefront.query(f"SELECT attempts FROM gatefront_trials WHERE number = {number}") == [(2,)]


def _falls_asleep_half_way(gatefront: Gatefront, asleep: list[int]) -> bool:
    """Send a worker to sleep; True if that was in the middle of a trial, and another trial is done."""
    if gatefront.query("SELECT count(*) FROM gatefront_trials WHERE state = 'COMPLETE'") in ([], [(0,)]):
        return False
    # A worker waits for each report to be taken: it is one epoch ahead of what is known of it, at most.
    under_way = "SELECT worker FROM gatefront_trials WHERE state = 'RUNNING' AND epoch BETWEEN 2 AND 12"
    for (identity,) in gatefront.query(under_way):
        worker = int(identity.split("/")[-2])
        os.kill(worker, signal.SIGSTOP)
        if (identity,) in gatefront.query(under_way):
            asleep.append(worker)
            return True
        os.kill(worker, signal.SIGCONT)
    return False


@pytest.mark.slow
def test_stopped_study_ends_well_and_goes_on_later(gatefront: Gatefront) -> None:
    driver = gatefront.begin("start", str(gatefront.study(trials=2, workers=1, epochs=30)), "--plain")
    under_way = "SELECT worker FROM gatefront_trials WHERE state = 'RUNNING' AND epoch >= 2"
    _wait_for(lambda: bool(gatefront.query(under_way)), "epoch 2", driver)
    ((worker,),) = gatefront.query(under_way)
    # Asleep, the worker cannot finish while the two commands start up, however fast the machine is.
    with _asleep(int(worker.split("/")[-2])):
        assert "is being run" in gatefront.run("resume", "tiny", exit_status=1)
        gatefront.run("stop", "tiny")
    out, err = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, err
    assert "STOPPED" in out
    stopped = gatefront.status()
    assert stopped["state"] == "STOPPED"
    assert "QUEUED" in {trial["state"] for trial in stopped["trials"]}

    gatefront.run("resume", "--plain")
    after = gatefront.status()
    assert [(trial["number"], trial["state"]) for trial in after["trials"]] == [(n, "COMPLETE") for n in range(2)]
    params = {trial["number"]: trial["params"] for trial in after["trials"]}
    assert all(params[trial["number"]] == trial["params"] for trial in stopped["trials"])


@pytest.mark.slow
def test_the_best_is_repeated_with_other_seeds_and_a_study_can_be_extended(gatefront: Gatefront) -> None:
    gatefront.run("start", str(gatefront.study(confirm_points=1)), "--plain")
    rows = gatefront.query("SELECT number, state, confirms, seed FROM gatefront_trials ORDER BY number")
    assert [(number, state) for number, state, _, _ in rows] == [(n, "COMPLETE") for n in range(4)]
    best = gatefront.status()["best_trial"]
    assert [confirms for _, _, confirms, _ in rows] == [None, None, best, best]
    assert len({seed for *_, seed in rows}) == 4
    after = gatefront.status()
    assert (after["state"], after["state_counts"], after["num_done"]) == ("COMPLETE", {"COMPLETE": 2}, 2)
    assert after["trials"][best]["confirmation"]["seeds"] == 2
    # The same settings from another seed: not the same network.
    replicates = [replicate["delta_mtl"] for replicate in after["repeats"]]
    assert len({*replicates, after["trials"][best]["delta_mtl"]}) > 1
    _assert_measured_on_test(after, best)

    gatefront.run("extend", "tiny", "--trials", "1")
    assert gatefront.status()["state"] == "STOPPED"
    gatefront.run("resume", "--plain")
    extended = gatefront.status()
    assert (extended["state"], extended["num_done"]) == ("COMPLETE", 3)
    assert [trial["number"] for trial in extended["trials"]] == [0, 1, 4]


def _assert_measured_on_test(status: dict[str, Any], best: int) -> None:
    """The best trial and its repeats have figures on the test split; no other trial has."""
    confirmed, *others = sorted(status["trials"], key=lambda trial: trial["number"] != best)
    assert set(confirmed["on_test"]["metrics"]) == {"left", "right", "orientation"}
    assert [trial["on_test"] for trial in others] == [None]
    on_test = [repeat["on_test"]["delta_mtl"] for repeat in status["repeats"]]
    assert confirmed["test_confirmation"]["mean"] == pytest.approx(sum(on_test) / 2)


def test_nothing_finished_is_said_on_pull(gatefront: Gatefront) -> None:
    gatefront.run("start", str(gatefront.study()), "--hours", "0", "--plain")
    assert gatefront.status()["state"] == "STOPPED"
    assert "tiny" in gatefront.run("pull", "tiny", "-o", str(gatefront.folder / "out"), exit_status=1)
    assert not (gatefront.folder / "out").exists()
    assert "already holds" in gatefront.run("start", str(gatefront.study()), exit_status=2)
