"""What docker-compose.yml sets up, without containers: PostgreSQL, a Ray head and two workers, and the service."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from databases import PATIENCE_S, PostgresServer, wait_until
from ray_nodes import RayNodes
from tiny_study import tiny_study

from gatefront.search.bundle import verify_bundle
from gatefront.search.cli.main import main
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.reader import StudyReader


class Service:
    """`gatefront serve` as a process of its own."""

    def __init__(self, folder: Path, database: str, nodes: RayNodes, environment: dict[str, str]) -> None:
        self._folder = folder
        self._command = [
            sys.executable,
            "-c",
            "import sys; from gatefront.search.cli.main import main; sys.exit(main())",
            "serve",
        ]
        self._command += ["--storage", str(folder / "runs"), "--address", nodes.jobs_address]
        self._environment = os.environ | environment | {"GATEFRONT_DB": database, "OMP_NUM_THREADS": "1"}
        self.address = ""
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        with (self._folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "--port", str(port)], env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._answers, "the service")

    def end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(how)
        status, self.process = self.process.wait(PATIENCE_S), None
        return status

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self._folder / "service.log").read_text()
        try:
            return httpx2.get(f"{self.address}/healthz").status_code == 200
        except httpx2.TransportError:
            return False


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.end()


@pytest.fixture
def token(tmp_path: Path) -> dict[str, str]:
    """How Ray's parts know each other, as in docker-compose.yml."""
    path = tmp_path / "ray_token"
    path.write_text(secrets.token_hex(32))
    path.chmod(0o600)
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


@pytest.fixture
def nodes(token: dict[str, str]) -> Iterator[RayNodes]:
    found = RayNodes(token)
    try:
        found.start_head(dashboard=True)
        yield found
    finally:
        found.end()


@pytest.fixture
def service(tmp_path: Path, postgres: PostgresServer, nodes: RayNodes, token: dict[str, str]) -> Iterator[Service]:
    found = Service(tmp_path, postgres.url, nodes, token)
    found.begin()
    yield found
    found.end(signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_study_outlives_its_service_and_a_node(
    tmp_path: Path, postgres: PostgresServer, nodes: RayNodes, service: Service
) -> None:
    doomed = nodes.start_worker()
    nodes.start_worker()
    file = tmp_path / "study.toml"
    file.write_text(tiny_study(study={"trials": 4, "workers": 2}, train={"epochs": 3}))
    assert main(["start", str(file), "--server", service.address]) == 0
    running = "SELECT worker FROM gatefront_trials WHERE state = 'RUNNING'"
    wait_until(lambda: len(postgres.query(running)) == 2, "both nodes at work")

    # Its drivers are none of the service's business, however it ends.
    assert service.end(signal.SIGTERM) == 0
    service.begin()
    service.end(signal.SIGKILL)
    nodes.kill(doomed)
    service.begin()
    reader = StudyReader(postgres.url)

    def has_ended() -> bool:
        state = reader.view("tiny").summary.state
        return state not in (StudyState.PREPARING, StudyState.RUNNING)

    wait_until(has_ended, "the study's end")
    view = reader.view("tiny")
    assert view.summary.state is StudyState.COMPLETE, view.summary.message
    assert [point.state for point in view.points] == ["COMPLETE"] * 4
    assert [event.kind for event in view.events] == ["started"]
    assert main(["pull", "tiny", "-o", str(tmp_path / "bundle"), "--server", service.address]) == 0
    assert all(check.passed for check in verify_bundle(tmp_path / "bundle").checks)
