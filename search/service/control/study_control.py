"""StudyControl: every change that REST and the dashboards may make to studies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.doctor import Check
from gatefront.spaces.errors import GatefrontError


class NotRunningError(GatefrontError, RuntimeError):
    """What was asked needs a running driver, and there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions(StudyOverrides):
    """Options of `gatefront start`.

    ``hours`` caps this driver session. ``earlier`` names a study to go on from. ``force`` starts although the doctor's
    checks of the data fail.
    """

    hours: float | None = None
    earlier: str | None = None
    force: bool = False


class StudyControl(Protocol):
    """Starts drivers and amends studies. Every change leaves a line with ``actor`` among the study's events.

    Each method raises `StudyNotFoundError` for a study that is not there, and `GatefrontError` with a way out for
    what cannot be. None waits for training.
    """

    def examine(self, text: str, options: StartOptions) -> Iterator[Check]:
        """The doctor's checks of a study file, each as soon as it is known."""
        ...

    def start(self, text: str, options: StartOptions, *, actor: str) -> str:
        """Start a driver for a new study and return the study's name once the study can be read."""
        ...

    def resume(self, study: str, *, workers: int | None = None, hours: float | None = None, actor: str) -> None:
        """Start a driver that goes on with the study. `StudyBusyError` if one is alive."""
        ...

    def stop(self, study: str, *, actor: str) -> None:
        """Ask the driver to stop after the current epochs. `NotRunningError` if none is alive."""
        ...

    def extend(self, study: str, more: int, *, actor: str) -> bool:
        """Ask for more trials; True if a driver is alive to take them up."""
        ...

    def set_hours(self, study: str, hours: float | None, *, actor: str) -> None:
        """Change the cap on the hours of the running driver's session; None takes it away. `NotRunningError`."""
        ...

    def void(self, study: str, number: int, reason: str, *, actor: str) -> None:
        """Take a finished trial out of front, best, bundles and sampling."""
        ...

    def unvoid(self, study: str, number: int, *, actor: str) -> None:
        """Take an earlier void back."""
        ...
