"""Jobs report while they run, wait their turn, end with a result or an error, and are forgotten in the end."""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import pytest

from gatefront.dashboards.jobs.background import Jobs, JobState, Report
from gatefront.dashboards.jobs.disk_usage import DiskUses
from gatefront.search.errors import NothingToPullError

CALLER: ContextVar[str] = ContextVar("caller")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(jobs: Jobs, name: str) -> JobState:
    def is_done() -> bool:
        state = jobs.look(name)
        return state is not None and state.is_done

    until(is_done)
    state = jobs.look(name)
    assert state is not None
    return state


def test_progress_is_seen_before_the_end() -> None:
    jobs, go_on = Jobs(at_once=1), threading.Event()

    def work(report: Report) -> int:
        report("first")
        go_on.wait(60)
        report("second")
        return 7

    name = jobs.start(work)
    until(lambda: (state := jobs.look(name)) is not None and state.reports == ("first",))
    state = jobs.look(name)
    assert state is not None
    assert not state.is_done
    go_on.set()
    done = ended(jobs, name)
    assert (done.reports, done.result, done.error) == (("first", "second"), 7, "")


def test_no_more_run_than_may() -> None:
    jobs, go_on, running = Jobs(at_once=2), threading.Event(), threading.Semaphore(0)

    def work(_report: Report) -> None:
        running.release()
        go_on.wait(60)

    names = [jobs.start(work) for _ in range(5)]
    assert running.acquire(timeout=60)
    assert running.acquire(timeout=60)
    assert not running.acquire(timeout=0.1)
    go_on.set()
    for name in names:
        ended(jobs, name)


def test_an_error_is_told_and_a_fault_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs(at_once=1)

    def fails(_report: Report) -> None:
        raise NothingToPullError("no trial fits.", hint="Wait.")

    def is_broken(_report: Report) -> None:
        raise ZeroDivisionError("ours")

    assert ended(jobs, jobs.start(fails)).error == "no trial fits. Wait."
    assert "server's log" in ended(jobs, jobs.start(is_broken)).error
    assert "ours" in caplog.text


def test_work_is_done_in_the_name_of_who_asked() -> None:
    jobs = Jobs(at_once=1)
    token = CALLER.set("ada")
    name = jobs.start(lambda _report: CALLER.get())
    CALLER.reset(token)
    assert ended(jobs, name).result == "ada"


def test_old_results_are_discarded_and_running_jobs_are_not() -> None:
    jobs, go_on, discarded = Jobs(at_once=40), threading.Event(), list[object]()
    held = jobs.start(lambda _report: go_on.wait(60))
    names = []
    for number in range(20):
        name = jobs.start(lambda _report, number=number: number, discard=discarded.append)  # type: ignore[misc]
        ended(jobs, name)
        names.append(name)
    assert discarded == [0, 1, 2, 3, 4]
    assert jobs.look(names[0]) is None
    assert jobs.look(names[-1]) is not None
    assert jobs.look(held) is not None
    go_on.set()
    ended(jobs, held)


def test_folders_are_counted_in_the_background_and_again_when_old() -> None:
    go_on, now, counts = threading.Event(), [0.0], list[Path]()

    def count(folder: Path) -> int:
        go_on.wait(60)
        counts.append(folder)
        return len(counts)

    disks, folder = DiskUses(count, clock=lambda: now[0]), Path("runs/digits")
    assert disks.of(folder) is None
    assert disks.of(folder) is None
    go_on.set()
    until(lambda: disks.of(folder) == 1)
    assert disks.of(folder) == 1
    assert len(counts) == 1
    now[0] = 31.0
    assert disks.of(folder) == 1
    until(lambda: disks.of(folder) == 2)
