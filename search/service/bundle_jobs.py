"""BundleJobs: bundles that are packed in the background. Only the latest are kept."""

import os
import queue
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gatefront.search.errors import StudyNotFoundError, TooManyError
from gatefront.search.service.control.driver_job import SERVICE_SECRETS
from gatefront.search.service.control.launcher import DriverEnd

_KEPT = 8
_PACK = (sys.executable, "-P", "-m", "gatefront.search.cli.packing_process")
_WAITING = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleJob:
    """Job that packs one bundle.

    ``steps`` are those begun so far. ``path`` is the zip once it is ready. ``error`` is the reason why there is none.
    """

    id: str
    study: str
    label: str
    state: Literal["waiting", "packing", "ready", "failed"] = "waiting"
    steps: tuple[str, ...] = ()
    error: str = ""
    path: Path | None = None

    @property
    def step(self) -> str:
        """Current step; empty if none has begun or the job is done."""
        return self.steps[-1] if self.steps and not self.is_done else ""

    @property
    def is_done(self) -> bool:
        return self.state in ("ready", "failed")


class BundleJobs:
    """Queue that packs one bundle after another in separate processes. :meth:`close` removes them. Thread-safe.

    ``command`` receives study, label and folder as further arguments. It prints each step as a line and writes
    ``STUDY-LABEL.zip``.
    """

    def __init__(self, url: str, *, kept: int = _KEPT, command: Sequence[str] = _PACK) -> None:
        self._url = url
        self._kept = kept
        self._command = command
        self._folder = Path(tempfile.mkdtemp(prefix="gatefront-bundles-"))
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, BundleJob] = OrderedDict()
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="gatefront-bundles", daemon=True)
        self._thread.start()

    def start(self, study: str, label: str) -> BundleJob:
        """Queue a bundle. Return the existing job if the same bundle waits or is being packed.

        Raises:
            TooManyError: too many bundles wait.
        """
        with self._lock:
            for job in self._jobs.values():
                if (job.study, job.label) == (study, label) and job.state in ("waiting", "packing"):
                    return job
            if sum(job.state == "waiting" for job in self._jobs.values()) >= _WAITING:
                raise TooManyError(f"{_WAITING} bundles wait to be packed.", hint="Try again in a few minutes.")
            job = BundleJob(id=secrets.token_hex(16), study=study, label=label)
            self._jobs[job.id] = job
            self._forget()
        self._queue.put(job.id)
        return job

    def look(self, study: str, job_id: str) -> BundleJob:
        """Return a job of this study.

        Raises:
            StudyNotFoundError: the job is not kept, or belongs to another study.
        """
        job = self.find(job_id)
        if job is None or job.study != study:
            raise StudyNotFoundError(f"there is no bundle {job_id!r}.", hint="Have it packed again.")
        return job

    def find(self, job_id: str) -> BundleJob | None:
        """Return a job by its id alone, which only its requester knows; None if it is not kept."""
        with self._lock:
            return self._jobs.get(job_id)

    def close(self) -> None:
        """Kill the job in progress and remove all files."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()
        self._queue.put(None)
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self) -> None:
        while (job_id := self._queue.get()) is not None:
            self._change(job_id, state="packing")
            try:
                path = self._pack(self._jobs[job_id])
            except OSError as error:
                self._change(job_id, state="failed", error=f"the bundle could not be packed: {error}.")
            else:
                if path is not None:
                    self._change(job_id, state="ready", path=path)

    def _pack(self, job: BundleJob) -> Path | None:
        folder = self._folder / job.id
        folder.mkdir()
        with tempfile.TemporaryFile() as errors:
            process = self._begin([job.study, job.label, str(folder)], errors.fileno())
            if process is None:
                return None
            with process:
                for line in process.stdout or ():
                    self._add_step(job.id, line.strip())
            if process.returncode == 0:
                return folder / f"{job.study}-{job.label}.zip"
            errors.seek(0)
            log = errors.read().decode(errors="replace")
        end = DriverEnd(exit_status=process.returncode, log=log, log_place="not kept")
        self._change(job.id, state="failed", error=str(end.as_error()))
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def _begin(self, words: list[str], errors: int) -> "subprocess.Popen[str] | None":
        environment = {name: value for name, value in os.environ.items() if name not in SERVICE_SECRETS}
        with self._lock:
            if self._is_closed:
                return None
            self._process = subprocess.Popen(
                [*self._command, *words],
                env=environment | {"GATEFRONT_DB": self._url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            return self._process

    def _change(self, job_id: str, **changes: object) -> None:
        with self._lock:
            self._jobs[job_id] = replace(self._jobs[job_id], **changes)  # type: ignore[arg-type]

    def _add_step(self, job_id: str, step: str) -> None:
        with self._lock:
            job = self._jobs[job_id]
            self._jobs[job_id] = replace(job, steps=(*job.steps, step))

    def _forget(self) -> None:
        """Remove the oldest finished jobs over the limit, with their files."""
        ended = [job for job in self._jobs.values() if job.is_done]
        for job in ended[: max(0, len(self._jobs) - self._kept)]:
            del self._jobs[job.id]
            shutil.rmtree(self._folder / job.id, ignore_errors=True)
