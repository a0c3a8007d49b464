"""Drivers as processes and as jobs of Ray; the cluster is played by the test."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ray.job_submission import JobStatus

from gatefront.search.errors import DriverFailedError, DriverRefusedError
from gatefront.search.service.control import process_launcher, ray_launcher
from gatefront.search.service.control.driver_job import ORDER_VARIABLE, DriverJob
from gatefront.search.service.control.process_launcher import ProcessLauncher
from gatefront.search.service.control.ray_launcher import RayJobLauncher
from gatefront.search.service.control.study_control import StartOptions

PASSWORD = "hunter2"


def order(folder: Path) -> DriverJob:
    return DriverJob(
        action="start", study="digits", actor="ann", storage=str(folder), text="", options=StartOptions(trials=2)
    )


class FakeCluster:
    """Its one job, as Ray's client tells of it."""

    def __init__(self, address: str) -> None:
        self.submitted: dict[str, Any] = {}
        self.status = JobStatus.RUNNING
        self.driver_exit_code: int | None = None

    def submit_job(self, **arguments: Any) -> str:
        self.submitted = arguments
        return str(arguments["submission_id"])

    def get_job_info(self, job_id: str) -> "FakeCluster":
        assert job_id == self.submitted["submission_id"]
        return self

    def get_job_logs(self, job_id: str) -> str:
        return "gatefront: no such data.\nName others.\n"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    found = FakeCluster("")
    monkeypatch.setattr(ray_launcher, "JobSubmissionClient", lambda _address: found)
    return found


def test_a_job_gets_the_order_and_no_password(cluster: FakeCluster, tmp_path: Path) -> None:
    launcher = RayJobLauncher(f"postgresql+psycopg://nas:{PASSWORD}@db/nas", "http://head:8265")
    job = launcher.launch(order(tmp_path))
    assert PASSWORD not in str(cluster.submitted)
    variables = cluster.submitted["runtime_env"]["env_vars"]
    assert variables["GATEFRONT_DB"] == "postgresql+psycopg://nas@db/nas"
    assert DriverJob.from_environment(dict(variables)).address == "auto"
    assert "digits" in job.job_id
    assert job.end() is None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (JobStatus.FAILED, 2, DriverRefusedError),
        (JobStatus.FAILED, 1, DriverFailedError),
        (JobStatus.FAILED, None, DriverFailedError),
        (JobStatus.STOPPED, None, DriverFailedError),
    ],
)
def test_a_jobs_end_is_its_drivers(
    cluster: FakeCluster, tmp_path: Path, status: JobStatus, code: int | None, kind: type[Exception]
) -> None:
    job = RayJobLauncher("sqlite:////x.db", "http://head:8265").launch(order(tmp_path))
    cluster.status, cluster.driver_exit_code = status, code
    end = job.end()
    assert end is not None
    assert type(end.as_error()) is kind
    assert "Name others." in str(end.as_error())


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DriverFailedError, match=r"http://127\.0\.0\.1:9"):
        RayJobLauncher("sqlite:////x.db", "http://127.0.0.1:9").launch(order(tmp_path))


def test_a_driver_outlives_the_session_and_leaves_no_zombie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = f"echo before; test -n \"${ORDER_VARIABLE}\" || exit 9; ps -o sid= -p $$; echo 'gatefront: full.'; exit 1"
    monkeypatch.setattr(process_launcher, "DRIVER_COMMAND", ("sh", "-c", script))
    log = tmp_path / "digits" / "driver.log"
    log.parent.mkdir()
    log.write_text("gatefront: of an earlier driver.\n" * 3)
    driver = ProcessLauncher("sqlite:////x.db").launch(order(tmp_path))
    while (end := driver.end()) is None:
        time.sleep(0.02)
    assert end.exit_status == 1
    assert str(end.as_error()) == "full."
    assert [line.strip() for line in end.log.splitlines()] == ["before", str(driver.pid), "gatefront: full."]
    assert subprocess.run(["ps", "-p", str(driver.pid)], capture_output=True, check=False).returncode == 1


def test_a_driver_without_a_place_for_its_log_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(DriverFailedError, match="the driver of digits cannot be started"):
        ProcessLauncher(f"sqlite:///{tmp_path}/gatefront.db").launch(order(tmp_path / "runs"))
