"""The doctor in a separate process, so that its networks neither stay in the service nor delay it."""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from gatefront.search.doctor.check import Check
from gatefront.search.service.control.driver_job import DriverJob, driver_environment
from gatefront.search.service.control.launcher import DriverEnd
from gatefront.search.service.control.process_launcher import DRIVER_COMMAND


class DoctorProcess:
    """Examiner of study files, each in a process that ends with its iterator or on close. Thread-safe."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._under_way: set[subprocess.Popen[str]] = set()
        self._is_closed = False

    def examine(self, order: DriverJob) -> Generator[Check, None, None]:
        """Yield each check as soon as it is known.

        Raises:
            DriverRefusedError: the study file asks for something that does not exist.
            DriverFailedError: the process failed or was killed.
        """
        with tempfile.TemporaryFile() as errors:
            with self._process(order, errors.fileno()) as process:
                yield from _read(process)
                status = process.wait()
            if status:
                errors.seek(0)
                log = errors.read().decode(errors="replace")
                raise DriverEnd(exit_status=status, log=log, log_place="not kept").as_error()

    def close(self) -> None:
        """Kill all processes in progress, and start no more."""
        with self._lock:
            self._is_closed = True
            for process in self._under_way:
                process.kill()

    @contextmanager
    def _process(self, order: DriverJob, errors: int) -> "Iterator[subprocess.Popen[str]]":
        process = subprocess.Popen(
            DRIVER_COMMAND,
            env=driver_environment(order, self._url, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            text=True,
        )
        with self._lock:
            self._under_way.add(process)
            if self._is_closed:
                process.kill()
        try:
            yield process
        finally:
            with self._lock:
                self._under_way.discard(process)
            process.kill()
            process.wait()


def _read(process: "subprocess.Popen[str]") -> Iterator[Check]:
    if process.stdout is None:
        return
    with process.stdout as lines:
        for line in lines:
            found = json.loads(line)
            yield Check(found["name"], found["passed"], found["detail"], tuple(found["more"]))
