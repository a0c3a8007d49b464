"""Routes that change studies through :class:`~gatefront.search.service.control.StudyControl` in the caller's name."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from gatefront.search.doctor import Check
from gatefront.search.errors import TooManyError
from gatefront.search.service.control.study_control import StartOptions, StudyControl
from gatefront.search.service.control.study_file_policy import MAX_STUDY_FILE_BYTES
from gatefront.search.service.rest.auth.principal import principal_of
from gatefront.search.service.rest.models import (
    MOST,
    Asked,
    Model,
    NumberPath,
    StudyDetail,
    StudyPath,
    study_detail,
)
from gatefront.search.service.rest.problem_details import RESPONSES
from gatefront.search.snapshots.reader import StudyReader

_EXAMINED_AT_ONCE = 2

Count = Annotated[int, Field(ge=1, le=MOST)]
Hours = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class Options(Asked):
    """Options that override the study file; null leaves the file's value. ``hours`` caps the driver's session.

    ``force`` starts although the doctor's checks of the data fail.
    """

    flop_budget: Text | None = None
    param_budget: Text | None = None
    latency_budget_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    trials: Count | None = None
    workers: Count | None = None
    hours: Hours | None = None
    earlier: StudyPath | None = None
    force: bool = False

    def as_start(self) -> StartOptions:
        return StartOptions(**self.model_dump())


class NewStudy(Asked):
    """A study file's text, and what is set against it."""

    study_file: Annotated[str, StringConstraints(max_length=MAX_STUDY_FILE_BYTES)]
    options: Options = Options()


class ResumeRequest(Asked):
    """Settings of a resumed study."""

    workers: Count | None = None
    hours: Hours | None = None


class MoreTrials(Asked):
    """Number of further trials."""

    trials: Count


class Cap(Asked):
    """Hours of the running driver's session, counted from its begin; null: no cap."""

    hours: Hours | None


class Void(Asked):
    """Why a trial does not count; kept and shown."""

    reason: Reason


class Examination(Model):
    """Result of the doctor. ``healthy`` means that every check passed."""

    healthy: bool
    checks: tuple[Check, ...]


class Extended(Model):
    """``is_running``: a driver is alive and takes the new trials up. Else resume the study."""

    is_running: bool


def changing_routes(control: StudyControl, reader: StudyReader) -> APIRouter:
    """Starting, stopping and amending studies."""
    routes = APIRouter(responses=RESPONSES)
    _add_beginning(routes, control, reader)
    _add_driving(routes, control, reader)
    _add_amending(routes, control)
    return routes


def _add_beginning(routes: APIRouter, control: StudyControl, reader: StudyReader) -> None:
    turns = threading.BoundedSemaphore(_EXAMINED_AT_ONCE)

    @routes.post("/studies", tags=["studies"], status_code=201)
    def start(new: NewStudy, request: Request, response: Response) -> StudyDetail:
        """Start a study. Answers once it can be read: its data have been looked through by then."""
        name = control.start(new.study_file, new.options.as_start(), actor=principal_of(request).name)
        response.headers["Location"] = f"{request.url.path.rstrip('/')}/{name}"
        return study_detail(reader.view(name))

    @routes.post("/doctor", tags=["studies"])
    def examine(new: NewStudy, request: Request) -> Examination:
        """Check that a study can run: data, backbone, budget, disk, database, memory, and that a batch is learned."""
        principal_of(request)
        with _turn(turns):
            found = tuple(control.examine(new.study_file, new.options.as_start()))
        return Examination(healthy=all(check.passed for check in found), checks=found)


def _add_driving(routes: APIRouter, control: StudyControl, reader: StudyReader) -> None:
    @routes.post("/studies/{study}/resume", tags=["studies"])
    def resume(study: StudyPath, asked_for: ResumeRequest, request: Request) -> StudyDetail:
        """Go on with a study until all its trials are done."""
        control.resume(study, workers=asked_for.workers, hours=asked_for.hours, actor=principal_of(request).name)
        return study_detail(reader.view(study))

    @routes.post("/studies/{study}/stop", tags=["studies"], status_code=202)
    def stop(study: StudyPath, request: Request) -> StudyDetail:
        """Ask the driver to stop after the current epochs."""
        control.stop(study, actor=principal_of(request).name)
        return study_detail(reader.view(study))

    @routes.post("/studies/{study}/extend", tags=["studies"])
    def extend(study: StudyPath, more: MoreTrials, request: Request) -> Extended:
        """Ask for more trials."""
        return Extended(is_running=control.extend(study, more.trials, actor=principal_of(request).name))

    @routes.put("/studies/{study}/hours", tags=["studies"], status_code=204)
    def set_hours(study: StudyPath, cap: Cap, request: Request) -> None:
        """Change the cap on the hours of the running driver."""
        control.set_hours(study, cap.hours, actor=principal_of(request).name)


def _add_amending(routes: APIRouter, control: StudyControl) -> None:
    @routes.put("/studies/{study}/trials/{number}/void", tags=["trials"], status_code=204)
    def void(study: StudyPath, number: NumberPath, void: Void, request: Request) -> None:
        """Take a finished trial out of front, best, bundles and sampling."""
        control.void(study, number, void.reason, actor=principal_of(request).name)

    @routes.delete("/studies/{study}/trials/{number}/void", tags=["trials"], status_code=204)
    def unvoid(study: StudyPath, number: NumberPath, request: Request) -> None:
        """Take an earlier void back."""
        control.unvoid(study, number, actor=principal_of(request).name)


@contextmanager
def _turn(turns: threading.BoundedSemaphore) -> Iterator[None]:
    if not turns.acquire(blocking=False):
        raise TooManyError(f"{_EXAMINED_AT_ONCE} studies are being examined already.", hint="Try again in a minute.")
    try:
        yield
    finally:
        turns.release()
