"""RayJobLauncher: drivers as jobs of a Ray cluster, on whose workers they train."""

import logging
import secrets
from dataclasses import replace

from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient
from sqlalchemy.engine import URL, make_url

from gatefront.search.errors import DriverFailedError
from gatefront.search.service.control.driver_job import ORDER_VARIABLE, DriverJob
from gatefront.search.service.control.launcher import DriverEnd

logger = logging.getLogger(__name__)

_ENTRYPOINT = "python -P -m gatefront.search.cli.driver_process"
_FROM_A_JOB = "auto"
_TAIL_CHARACTERS = 8192
_FAULTS = (RuntimeError, OSError)
"""Errors of Ray's client if the cluster does not answer or refuses."""


class RayJobLauncher:
    """Starter of drivers as jobs of a Ray cluster.

    The cluster's nodes have gatefront installed and see the same storage folder. Everybody who may list jobs can read a
    job's environment, so the database's password is left out of its URL. The head node has the password in PGPASSFILE
    or PGPASSWORD.
    """

    def __init__(self, url: str, address: str) -> None:
        self._url = _without_password(url)
        self._address = address
        self._client: JobSubmissionClient | None = None

    def launch(self, order: DriverJob) -> "RayJob":
        """Submit the job.

        Raises:
            DriverFailedError: the cluster does not answer or refuses the job.
        """
        order = replace(order, address=_FROM_A_JOB)
        job_id = f"gatefront-{order.study}-{secrets.token_hex(4)}"
        try:
            client = self._connect()
            client.submit_job(
                entrypoint=_ENTRYPOINT,
                submission_id=job_id,
                # The driver itself only waits for its workers.
                entrypoint_num_cpus=0,
                metadata={"gatefront_study": order.study, "gatefront_actor": order.actor},
                runtime_env={"env_vars": {ORDER_VARIABLE: order.to_text(), "GATEFRONT_DB": self._url}},
            )
        except _FAULTS as error:
            raise _unreachable(self._address, error) from error
        return RayJob(client, job_id, self._address)

    def _connect(self) -> JobSubmissionClient:
        if self._client is None:
            self._client = JobSubmissionClient(self._address)
        return self._client


class RayJob:
    """Job of a driver. Its status SUCCEEDED does not tell the study's state, which is in the database."""

    def __init__(self, client: JobSubmissionClient, job_id: str, address: str) -> None:
        self._client = client
        self.job_id = job_id
        self._address = address

    def end(self) -> DriverEnd | None:
        """Return how the driver ended; None while it runs.

        Raises:
            DriverFailedError: the cluster does not answer.
        """
        try:
            info: JobDetails = self._client.get_job_info(self.job_id)
            if not info.status.is_terminal():
                return None
            log: str = self._client.get_job_logs(self.job_id)
        except _FAULTS as error:
            raise _unreachable(self._address, error) from error
        return DriverEnd(
            exit_status=_exit_status(info), log=log[-_TAIL_CHARACTERS:], log_place=f"`ray job logs {self.job_id}`"
        )


def _without_password(url: str) -> str:
    found = make_url(url)
    # `URL.set` takes None for "as it was".
    bare = URL.create(
        found.drivername,
        username=found.username,
        host=found.host,
        port=found.port,
        database=found.database,
        query={name: value for name, value in found.query.items() if name != "password"},
    )
    return bare.render_as_string(hide_password=False)


def _exit_status(info: JobDetails) -> int:
    if info.driver_exit_code is not None:
        return int(info.driver_exit_code)
    return 0 if info.status == JobStatus.SUCCEEDED else 1


def _unreachable(address: str, error: Exception) -> DriverFailedError:
    reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return DriverFailedError(
        f"the Ray cluster at {address} does not take the study: {reason}.",
        hint="Check --address, and that RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH is the cluster's.",
    )
