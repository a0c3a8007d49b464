"""StudyControl: every change that REST and the dashboards may make to studies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.doctor import Check
from gatefront.spaces.errors import GatefrontError


class NotRunningError(GatefrontError, RuntimeError):
    """Error for a request that needs a running driver if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions(StudyOverrides):
    """Options of `gatefront start`.

    ``hours`` limits this session of the driver. ``earlier`` names a study for a warm start. ``force`` starts although
    the doctor's checks of the data fail.
    """

    hours: float | None = None
    earlier: str | None = None
    force: bool = False


class StudyControl(Protocol):
    """Control that starts drivers and amends studies. Every change records an event with its ``actor``.

    Each method raises `StudyNotFoundError` for a study that does not exist, and `GatefrontError` with a hint for a
    change that is not possible. No method waits for training.
    """

    def examine(self, text: str, options: StartOptions) -> Iterator[Check]:
        """Yield the doctor's checks of a study file, each as soon as it is known."""
        ...

    def start(self, text: str, options: StartOptions, *, actor: str) -> str:
        """Start a driver for a new study and return the study's name once the study can be read."""
        ...

    def resume(self, study: str, *, workers: int | None = None, hours: float | None = None, actor: str) -> None:
        """Start a driver that resumes the study. Raise `StudyBusyError` if one is alive."""
        ...

    def stop(self, study: str, *, actor: str) -> None:
        """Ask the driver to stop after the current epochs. Raise `NotRunningError` if none is alive."""
        ...

    def extend(self, study: str, more: int, *, actor: str) -> bool:
        """Raise the number of trials. Return True if a driver is alive to run them."""
        ...

    def set_hours(self, study: str, hours: float | None, *, actor: str) -> None:
        """Change the limit of the running driver's session; None removes it. Raise `NotRunningError` without one."""
        ...

    def void(self, study: str, number: int, reason: str, *, actor: str) -> None:
        """Exclude a finished trial from front, best, bundles and sampling."""
        ...

    def unvoid(self, study: str, number: int, *, actor: str) -> None:
        """Undo an earlier void."""
        ...
