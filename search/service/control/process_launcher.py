"""ProcessLauncher: drivers as processes of this machine that do not end with the service."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from gatefront.search.errors import DriverFailedError
from gatefront.search.service.control.driver_job import DriverJob, driver_environment
from gatefront.search.service.control.launcher import DriverEnd

DRIVER_COMMAND = (sys.executable, "-P", "-m", "gatefront.search.cli.driver_process")
"""Command of a driver. Its job is in the environment, because every user can read a command line."""

_TAIL_BYTES = 8192


class ProcessLauncher:
    """Starter of drivers as processes, each with a process session of its own.

    A driver writes to ``<storage>/<study>/driver.log``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def launch(self, order: DriverJob) -> "ProcessDriver":
        """Start the driver. Its log is appended to that of earlier drivers.

        Raises:
            DriverFailedError: its log cannot be written, or no process can be started.
        """
        try:
            return self._launch(order)
        except OSError as error:
            raise DriverFailedError(f"the driver of {order.study} cannot be started: {error}.") from error

    def _launch(self, order: DriverJob) -> "ProcessDriver":
        folder = Path(order.storage) / order.study
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "driver.log"
        with log.open("ab") as out:
            begin = out.tell()
            process = subprocess.Popen(
                DRIVER_COMMAND,
                env=driver_environment(order, self._url, os.environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return ProcessDriver(process, log, begin)


class ProcessDriver:
    """Process of a driver. A thread waits for its end, so that no zombie remains."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, begin: int) -> None:
        self._process = process
        self._log = log
        self._begin = begin
        threading.Thread(target=process.wait, name=f"gatefront-driver-{process.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> DriverEnd | None:
        status = self._process.poll()
        if status is None:
            return None
        return DriverEnd(exit_status=status, log=_tail(self._log, self._begin), log_place=str(self._log))


def _tail(path: Path, begin: int) -> str:
    with path.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(begin, size - _TAIL_BYTES))
        return log.read().decode(errors="replace")
