"""A team's service: a study started, lost, resumed, stopped and pulled over HTTP, by real drivers and a real bundle."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
import uvicorn
from databases import PATIENCE_S
from tiny_study import tiny_study

from gatefront.dashboards.server.listen import listen
from gatefront.dashboards.server.serve import ServeOptions, service
from gatefront.search.bundle import verify_bundle
from gatefront.search.cli.main import main
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import StudyState
from gatefront.search.service.control.supervisor import StudySupervisor
from gatefront.search.service.rest.auth.tokens import Tokens
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.study_store import StudyStore

READER, WRITER = "reader-token-of-a-test-1234", "writer-token-of-a-test-5678"
pytestmark = pytest.mark.timeout(3 * PATIENCE_S)

STUDY = tiny_study(study={"trials": 9})


class Service:
    """A service of this process, which can end and begin again as one that was restarted does."""

    def __init__(self, folder: Path, tokens: Tokens) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/gatefront.db"
        self._tokens = tokens
        # The test itself looks for lost studies, when it knows that there is one.
        self._options = ServeOptions(host="127.0.0.1", url=self.url, storage=folder / "runs", watch=False)
        self._parts = ExitStack()
        self._port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def begin(self) -> None:
        listening = listen("127.0.0.1", self._port)
        self._port = listening.getsockname()[1]
        app = self._parts.enter_context(service(self._options, self._tokens))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()

        def end() -> None:
            # What uvicorn does on SIGTERM.
            server.should_exit = True
            thread.join(30)

        self._parts.callback(end)

    def end(self) -> None:
        self._parts.close()

    def view(self) -> StudyView:
        return StudyReader(self.url).view("tiny")

    def run(self, *words: str) -> int:
        """A command of the command line, against this service."""
        return main([*words, "--server", self.address])

    def wait_for(self, state: StudyState) -> StudyView:
        """Until the study is in that state, or failed."""
        deadline = time.monotonic() + PATIENCE_S
        while (view := self.view()).summary.state is not state:
            assert view.summary.state is not StudyState.FAILED, view.summary.message
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.2)
        return view

    def driver(self) -> int:
        identity = StudyStore(open_engine(self.url), "tiny").load().driver
        assert identity is not None
        return int(identity.split("/")[-2])

    def log(self) -> str:
        return (self.folder / "runs" / "tiny" / "driver.log").read_text()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("GATEFRONT_TOKEN", WRITER)
    found = Service(tmp_path, Tokens.parse([f"rita read {READER}", f"wim write {WRITER}"], source="test"))
    found.begin()
    yield found
    _end_driver(found)
    found.end()


def _end_driver(served: Service) -> None:
    if StudyReader(served.url).list_studies() and StudyStore(open_engine(served.url), "tiny").load().driver:
        os.kill(served.driver(), signal.SIGKILL)


@pytest.mark.slow
def test_a_study_is_started_lost_resumed_stopped_and_pulled_over_http(
    served: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str], resume_lost: Callable[[Service], None]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    assert served.run("start", str(file), "--trials", "1") == 0
    _is_hidden(WRITER, served)
    driver = served.driver()
    # Still: else a fast one might have finished before it is lost.
    os.kill(driver, signal.SIGSTOP)
    # The first of a session of its own: what ends the service and its terminal does not reach it.
    assert os.getsid(driver) == driver
    served.end()
    served.begin()
    assert served.driver() == driver

    os.kill(served.driver(), signal.SIGKILL)
    served.wait_for(StudyState.LOST)
    resume_lost(served)

    # Asleep while it is asked: else a fast driver might have finished by then.
    driver = served.driver()
    os.kill(driver, signal.SIGSTOP)
    assert served.run("stop", "tiny") == 0
    os.kill(driver, signal.SIGCONT)
    served.wait_for(StudyState.STOPPED)
    resume_lost(served)
    assert served.view().summary.state is StudyState.STOPPED

    assert served.run("resume", "tiny") == 0
    view = served.wait_for(StudyState.COMPLETE)
    assert len(view.points) == 1
    # In no order: a driver that holds the study may be asked to stop before it has noted that it began.
    assert sorted((event.kind, event.actor) for event in view.events) == [
        ("resumed", "service"),
        ("resumed", "wim"),
        ("started", "wim"),
        ("stop_asked", "wim"),
    ]

    capsys.readouterr()
    assert served.run("front", "tiny") == 0
    assert "Pareto front of tiny" in capsys.readouterr().out
    assert served.run("status", "--json") == 0
    assert '"num_done": 1' in capsys.readouterr().out
    assert served.run("pull", "tiny", "-o", str(tmp_path / "bundle")) == 0
    assert all(check.passed for check in verify_bundle(tmp_path / "bundle").checks)
    assert served.run("void", "tiny", "--trial", "0", "--reason", "a broken GPU") == 0
    assert served.run("pull", "tiny", "-o", str(tmp_path / "none")) == 1
    assert "VOID" in served.view().points[0].state


@pytest.fixture
def resume_lost() -> Callable[[Service], None]:
    """What the service's watch does when it looks."""
    from gatefront.search.service.control import LocalControl, ProcessLauncher

    def look(served: Service) -> None:
        control = LocalControl(served.url, served.folder / "runs", ProcessLauncher(served.url))
        StudySupervisor(served.url, control).look()

    return look


def _is_hidden(secret: str, served: Service) -> None:
    """Not on a command line, not in the driver's environment, not in a file."""
    own = Path("/proc") / str(served.driver())
    assert secret.encode() not in (own / "cmdline").read_bytes() + (own / "environ").read_bytes()
    # In a process of its own: who closes a file of SQLite's takes all locks of his process away.
    found = subprocess.run(["grep", "-rlaF", secret, served.folder], check=False)
    assert found.returncode == 1


def test_who_may_not_is_told_so(
    served: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    monkeypatch.setenv("GATEFRONT_TOKEN", READER)
    assert served.run("status", "--json") == 0
    assert served.run("start", str(file)) == 2
    assert "rita may read" in capsys.readouterr().err
    monkeypatch.delenv("GATEFRONT_TOKEN")
    assert served.run("status") == 2
    assert "Set GATEFRONT_TOKEN" in capsys.readouterr().err
    assert main(["status", "--server", "http://127.0.0.1:9", "--db", served.url]) == 2
    assert main(["status", "--server", "http://127.0.0.1:9"]) == 1


def test_pages_and_rest_share_one_login(served: Service) -> None:
    with httpx2.Client(base_url=served.address) as browser:
        assert browser.get("/", headers={"Accept": "text/html"}).status_code == 401
        origin = {"Origin": served.address}
        assert browser.post("/login", data={"token": READER}, headers=origin).status_code == 303
        assert "gatefront" in browser.get("/").text
        assert browser.get("/api/v1/studies").json()["items"] == []
        update = {"output": "page.children", "inputs": [], "changedPropIds": []}
        assert browser.post("/_dash-update-component", json=update).status_code == 403
        assert browser.post("/api/v1/doctor", json={"study_file": STUDY}, headers=origin).status_code == 403
