"""AuthorizedControl: StudyControl for pages that only lets principals with the role write change anything."""

from collections.abc import Iterator

from gatefront.search.doctor.check import Check
from gatefront.search.errors import NotAllowedError
from gatefront.search.service.control.study_control import StartOptions, StudyControl
from gatefront.search.service.rest.auth.principal import CALLER


class AuthorizedControl:
    """Control that checks the principal of the current request. Without one it refuses every call."""

    def __init__(self, control: StudyControl) -> None:
        self._control = control

    def examine(self, text: str, options: StartOptions) -> Iterator[Check]:
        _require_writer()
        return self._control.examine(text, options)

    def start(self, text: str, options: StartOptions, *, actor: str) -> str:
        return self._control.start(text, options, actor=_require_writer())

    def resume(self, study: str, *, workers: int | None = None, hours: float | None = None, actor: str) -> None:
        self._control.resume(study, workers=workers, hours=hours, actor=_require_writer())

    def stop(self, study: str, *, actor: str) -> None:
        self._control.stop(study, actor=_require_writer())

    def extend(self, study: str, more: int, *, actor: str) -> bool:
        return self._control.extend(study, more, actor=_require_writer())

    def set_hours(self, study: str, hours: float | None, *, actor: str) -> None:
        self._control.set_hours(study, hours, actor=_require_writer())

    def void(self, study: str, number: int, reason: str, *, actor: str) -> None:
        self._control.void(study, number, reason, actor=_require_writer())

    def unvoid(self, study: str, number: int, *, actor: str) -> None:
        self._control.unvoid(study, number, actor=_require_writer())


def _require_writer() -> str:
    """Return the principal's name for events. The name that a page sends is ignored."""
    caller = CALLER.get()
    if caller is None or not caller.may_write:
        name = "nobody" if caller is None else caller.name
        raise NotAllowedError(f"{name} may not change anything.", hint="Log in with a token that has the role write.")
    return caller.name
