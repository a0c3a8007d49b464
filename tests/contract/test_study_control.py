"""What a service may do to studies, on both databases; drivers are played by the test."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gatefront.search.errors import (
    AmendmentError,
    DriverFailedError,
    DriverRefusedError,
    StudyBusyError,
    StudyExistsError,
    StudyFileError,
    StudyNotFoundError,
)
from gatefront.search.results.states import StudyState
from gatefront.search.service.control import LocalControl, NotRunningError, StartOptions, StudyFilePolicy
from gatefront.search.service.control.driver_job import ORDER_VARIABLE, DriverJob, driver_environment
from gatefront.search.service.control.launcher import DriverEnd
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.lease import Lease
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow

pytestmark = pytest.mark.xdist_group("store")

NewRow = Callable[..., StudyRow]

STUDY = """
[study]
name = "digits"
[data]
name = "digits"
{data}
[network]
{network}
"""


class FakeDriver:
    def __init__(self, end: DriverEnd | None) -> None:
        self._end = end

    def end(self) -> DriverEnd | None:
        return self._end


class FakeLauncher:
    """Its drivers create the study and take the lease, or end as they are told to."""

    def __init__(self, engine: sa.Engine, new_row: NewRow) -> None:
        self._engine = engine
        self._new_row = new_row
        self.orders: list[DriverJob] = []
        self.ends_with: DriverEnd | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.was_asked = threading.Event()

    def launch(self, order: DriverJob) -> FakeDriver:
        self.orders.append(order)
        self.was_asked.set()
        self.gate.wait(60)
        if self.ends_with is None:
            if order.action == "start":
                StudyStore.create(self._engine, self._new_row(order.study))
            Lease(self._engine, order.study).acquire(max_hours=order.options.hours)
        return FakeDriver(self.ends_with)


@pytest.fixture
def launcher(engine: sa.Engine, new_row: NewRow) -> FakeLauncher:
    return FakeLauncher(engine, new_row)


@pytest.fixture
def control(url: str, launcher: FakeLauncher, tmp_path: Path) -> LocalControl:
    return LocalControl(url, tmp_path / "runs", launcher)


def file(data: str = "", network: str = "") -> str:
    return STUDY.format(data=data, network=network)


def test_a_study_is_started_changed_and_stopped(control: LocalControl, launcher: FakeLauncher, url: str) -> None:
    assert control.start(file(), StartOptions(trials=4, hours=8.0), actor="ann") == "digits"
    assert (launcher.orders[0].action, launcher.orders[0].options.hours) == ("start", 8.0)
    with pytest.raises(StudyExistsError):
        control.start(file(), StartOptions(), actor="bob")
    with pytest.raises(StudyBusyError):
        control.resume("digits", actor="bob")
    control.set_hours("digits", 2.0, actor="bob")
    assert control.extend("digits", 3, actor="ann") is True
    control.stop("digits", actor="cy")
    view = StudyReader(url).view("digits")
    assert (view.summary.state, view.summary.max_hours) == (StudyState.STOPPING, 2.0)
    assert [(event.kind, event.actor) for event in view.events] == [
        ("hours_set", "bob"),
        ("extended", "ann"),
        ("stop_asked", "cy"),
    ]
    assert len(launcher.orders) == 1


def test_what_needs_a_driver_says_that_there_is_none(
    control: LocalControl, engine: sa.Engine, new_row: NewRow, url: str
) -> None:
    StudyStore.create(engine, new_row()).set_state(StudyState.STOPPED)
    for act in (lambda: control.stop("digits", actor="a"), lambda: control.set_hours("digits", 1.0, actor="a")):
        with pytest.raises(NotRunningError):
            act()
    for act in (
        lambda: control.stop("other", actor="a"),
        lambda: control.resume("other", actor="a"),
        lambda: control.extend("other", 1, actor="a"),
        lambda: control.void("digits", 0, "why", actor="a"),
    ):
        with pytest.raises(StudyNotFoundError):
            act()
    assert StudyReader(url).view("digits").events == ()


def test_a_lost_study_can_be_stopped_for_good(
    control: LocalControl, engine: sa.Engine, new_row: NewRow, url: str
) -> None:
    store = StudyStore.create(engine, new_row())
    store.begin_session("started", "", actor="ann", is_kept=True)
    assert StudyReader(url).view("digits").summary.state is StudyState.LOST
    control.stop("digits", actor="bob")
    summary = StudyReader(url).view("digits").summary
    assert (summary.state, summary.is_kept) == (StudyState.STOPPED, False)
    with pytest.raises(NotRunningError):
        control.stop("digits", actor="bob")


def test_a_service_that_ends_waits_for_no_driver(url: str, tmp_path: Path) -> None:
    class SlowLauncher:
        def launch(self, _order: DriverJob) -> FakeDriver:
            # The service is asked to end while the driver reads its data.
            ending.close()
            return FakeDriver(None)

    ending = LocalControl(url, tmp_path / "runs", SlowLauncher())
    with pytest.raises(DriverFailedError, match="left running"):
        ending.start(file(), StartOptions(), actor="ann")


def test_a_service_that_ends_takes_its_examinations_along(
    control: LocalControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "import json, time; print(json.dumps(dict(name='data', passed=True, detail='', more=[])), flush=True)"
    forever = "import time; time.sleep(3600)"
    for program in (f"{says}; {forever}", forever):
        # The second one begins too late to be ended with the others.
        monkeypatch.setattr(
            "gatefront.search.service.control.doctor_process.DRIVER_COMMAND", (sys.executable, "-c", program)
        )
        checks = control.examine(file(), StartOptions())
        if program is not forever:
            assert next(checks).name == "data"
            control.close()
        with pytest.raises(DriverFailedError):
            next(checks)


@pytest.mark.parametrize(("status", "kind"), [(2, DriverRefusedError), (1, DriverFailedError)])
def test_what_the_driver_says_of_its_end_is_the_error(
    control: LocalControl, launcher: FakeLauncher, status: int, kind: type[Exception]
) -> None:
    log = "12:00 reading\ngatefront: data.root 'x' is not a folder.\nGive the folder.\n"
    launcher.ends_with = DriverEnd(exit_status=status, log=log, log_place="driver.log")
    with pytest.raises(kind) as caught:
        control.start(file(), StartOptions(), actor="ann")
    assert str(caught.value) == "data.root 'x' is not a folder. Give the folder."


def test_a_driver_without_words_is_quoted(control: LocalControl, launcher: FakeLauncher) -> None:
    launcher.ends_with = DriverEnd(exit_status=-9, log="a\nKilled\n", log_place="/runs/digits/driver.log")
    with pytest.raises(DriverFailedError, match="status -9: a / Killed") as caught:
        control.start(file(), StartOptions(), actor="ann")
    assert "/runs/digits/driver.log" in str(caught.value)


def test_of_two_who_start_at_once_one_is_told_so(control: LocalControl, launcher: FakeLauncher) -> None:
    launcher.gate.clear()
    names: list[str] = []
    first = threading.Thread(target=lambda: names.append(control.start(file(), StartOptions(), actor="ann")))
    first.start()
    assert launcher.was_asked.wait(60)
    with pytest.raises(StudyBusyError, match="being started"):
        control.start(file(), StartOptions(), actor="bob")
    launcher.gate.set()
    first.join(60)
    assert names == ["digits"]
    assert len(launcher.orders) == 1


@pytest.mark.parametrize(
    ("data", "network", "found"),
    [
        ('root = "/etc"', "", "data.root"),
        ("", 'weights = "/etc/passwd"', "network.weights"),
        ("", 'backbone = "os:system"', "network.backbone"),
        ("", 'backbone = {choices = ["smallconv", "os:system"]}', "network.backbone"),
        ("", 'backbone = "hf-hub:someone/net"', "network.backbone"),
    ],
)
def test_a_file_from_the_network_reaches_nothing_but_what_is_registered(
    control: LocalControl, launcher: FakeLauncher, data: str, network: str, found: str
) -> None:
    with pytest.raises(StudyFileError, match=found):
        control.start(file(data, network), StartOptions(), actor="ann")
    with pytest.raises(StudyFileError, match=found):
        next(control.examine(file(data, network), StartOptions()))
    assert launcher.orders == []


def test_the_owner_says_how_far_a_file_may_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "data", tmp_path / "other"
    for folder in (inside, outside):
        folder.mkdir()
    (inside / "link").symlink_to(outside)
    rules = StudyFilePolicy(allow_imports=True, data_roots=(inside,))
    rules.check(file(f'root = "{inside}/nyud"', 'backbone = "mine:net"'))
    rules.check(f'[study]\nname = "a"\n[data]\nname = "my.data:Set"\nroot = "{inside}"\n')
    monkeypatch.chdir(inside)
    monkeypatch.setenv("HOME", str(outside))
    for root in (outside, f"{inside}/../other", f"{inside}/link", f"{inside}-2", "../data2", "~/a", r"a\u0000b"):
        with pytest.raises(StudyFileError, match=r"data\.root"):
            rules.check(file(f'root = "{root}"'))


@pytest.mark.parametrize(
    "options",
    [
        {"trials": 0},
        {"workers": -1},
        {"trials": 2**31},
        {"latency_budget_ms": float("nan")},
        {"hours": float("inf")},
        {"flop_budget": "many"},
    ],
)
def test_options_are_checked_before_anything_starts(
    control: LocalControl, launcher: FakeLauncher, options: dict[str, Any]
) -> None:
    with pytest.raises((StudyFileError, AmendmentError)):
        control.start(file(), StartOptions(**options), actor="ann")
    assert launcher.orders == []


def test_an_order_arrives_as_it_was_given_and_brings_no_secret_of_the_service() -> None:
    order = DriverJob(action="start", study="a", actor="ann", storage="/r", text="é\n", options=StartOptions(trials=2))
    found = driver_environment(order, "postgresql://u:pw@h/n", {"PATH": "/bin", "GATEFRONT_TOKENS": "t"})
    assert found["GATEFRONT_DB"] == "postgresql://u:pw@h/n"
    assert "pw" not in found[ORDER_VARIABLE]
    assert "GATEFRONT_TOKENS" not in found
    assert DriverJob.from_environment(found) == order
    assert ORDER_VARIABLE not in found
