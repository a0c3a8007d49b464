"""The doctor in a process of its own: what it builds and trains neither stays in the service nor holds it up."""

import json
import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator

from search.control.launcher import DriverEnd
from search.control.order import DriverOrder, driver_environment
from search.control.process_launcher import DRIVER_COMMAND
from search.doctor.check import Check


def examine_apart(order: DriverOrder, url: str) -> Generator[Check, None, None]:
    """Each check as soon as it is known; the process ends with the iterator.

    Raises:
        DriverRefusedError: the study file asks for what does not exist.
        DriverFailedError: the process broke down.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            DRIVER_COMMAND,
            env=driver_environment(order, url, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            text=True,
        )
        try:
            yield from _read(process)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status:
            errors.seek(0)
            log = errors.read().decode(errors="replace")
            raise DriverEnd(exit_status=status, log=log, log_place="not kept").as_error()


def _read(process: "subprocess.Popen[str]") -> Iterator[Check]:
    if process.stdout is None:
        return
    with process.stdout as lines:
        for line in lines:
            found = json.loads(line)
            yield Check(found["name"], found["passed"], found["detail"], tuple(found["more"]))
