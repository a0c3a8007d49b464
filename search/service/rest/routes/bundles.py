"""Routes of bundles: have one packed, look how far it is, download it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field, model_validator

from gatefront.search.bundle import selection
from gatefront.search.results.point_label import PointLabel
from gatefront.search.service.bundle_jobs import BundleJob, BundleJobs
from gatefront.search.service.control.study_control import NotRunningError
from gatefront.search.service.rest.auth.principal import principal_of
from gatefront.search.service.rest.models import Asked, LabelPath, Model, StudyPath
from gatefront.search.service.rest.problem_details import RESPONSES
from gatefront.search.service.rest.routes.write import Text
from gatefront.search.snapshots.reader import StudyReader

BundleId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class Wanted(Asked):
    """Which network: a trial or a point derived from one, or the best one under the budgets."""

    trial: LabelPath | None = None
    flop_budget: Text | None = None
    latency_budget_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _is_one_or_the_best(self) -> "Wanted":
        if self.trial is not None and (self.flop_budget or self.latency_budget_ms):
            raise ValueError("trial names one network, and budgets choose among all: give one or the other")
        return self


class Bundle(Model):
    """Progress of a bundle. ``step`` names the current step, ``error`` the reason of a failure."""

    id: str
    study: str
    label: str
    state: Literal["waiting", "packing", "ready", "failed"]
    step: str
    error: str


def bundle_routes(reader: StudyReader, jobs: BundleJobs) -> APIRouter:
    """A bundle is packed in the background, as that takes half a minute."""
    routes = APIRouter(responses=RESPONSES, tags=["bundles"])

    @routes.post("/studies/{study}/bundles", status_code=202)
    def pack(study: StudyPath, wanted: Wanted, request: Request, response: Response) -> Bundle:
        """Have the best network under a budget packed, or the one that is named."""
        principal_of(request)
        job = jobs.start(study, _label(reader, study, wanted))
        response.headers["Location"] = f"{request.url.path.rstrip('/')}/{job.id}"
        return _model(job)

    @routes.get("/studies/{study}/bundles/{bundle}")
    def look(study: StudyPath, bundle: BundleId) -> Bundle:
        """Return the progress of the bundle."""
        return _model(jobs.look(study, bundle))

    @routes.get("/studies/{study}/bundles/{bundle}/download", response_class=FileResponse)
    def download(study: StudyPath, bundle: BundleId) -> FileResponse:
        """The bundle as a zip file, once it is ready."""
        job = jobs.look(study, bundle)
        if job.path is None:
            raise NotRunningError(
                f"bundle {bundle} is {job.state}. {job.error}".strip(), hint="Wait until it is ready."
            )
        return FileResponse(job.path, media_type="application/zip", filename=job.path.name)

    return routes


def _label(reader: StudyReader, study: str, wanted: Wanted) -> str:
    """The network that is meant, by its name. Raises what `gatefront pull` would."""
    view = reader.view(study)
    label = None if wanted.trial is None else PointLabel.parse(wanted.trial)
    asked = selection.Wanted(flop_budget=wanted.flop_budget, latency_budget_ms=wanted.latency_budget_ms, trial=label)
    return selection.choose_point(view, budgets=asked.budgets(view.summary), label=label).label


def _model(job: BundleJob) -> Bundle:
    return Bundle.model_validate(job)
