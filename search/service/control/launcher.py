"""Launcher: the interface by which a service starts drivers and learns how they ended."""

from dataclasses import dataclass
from typing import Protocol

from gatefront.search.errors import DriverFailedError, DriverRefusedError
from gatefront.search.service.control.driver_job import DriverJob
from gatefront.spaces.errors import GatefrontError

_WRONG_INPUT = 2
_OWN_WORDS = "gatefront: "
_SHOWN_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverEnd:
    """End of a driver: the exit status of its command, the end of its log, and where the whole log is."""

    exit_status: int
    log: str
    log_place: str

    def as_error(self) -> GatefrontError:
        """Return the driver's own error with its hint, else an error with the last lines of its log."""
        lines = self.log.strip().splitlines()
        said = next((at for at in reversed(range(len(lines))) if lines[at].startswith(_OWN_WORDS)), None)
        if said is None:
            last = " / ".join(lines[-_SHOWN_LINES:]) or "it said nothing"
            return DriverFailedError(
                f"the driver ended with status {self.exit_status}: {last}.", hint=f"Its log is {self.log_place}."
            )
        kind = DriverRefusedError if self.exit_status == _WRONG_INPUT else DriverFailedError
        return kind(lines[said].removeprefix(_OWN_WORDS), hint=" ".join(lines[said + 1 :]))


class Driver(Protocol):
    """Driver that was started."""

    def end(self) -> DriverEnd | None:
        """Return how the driver ended; None while it runs."""
        ...


class Launcher(Protocol):
    """Starter of drivers that outlive the service."""

    def launch(self, order: DriverJob) -> Driver:
        """Start the driver and return at once."""
        ...
