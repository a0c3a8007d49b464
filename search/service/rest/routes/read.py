"""Routes that read studies and comparisons. Uncached data are read from the database in a thread."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.comparison_table import ComparisonTable
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudyEvent, StudySummary
from gatefront.search.results.states import TrialState
from gatefront.search.service.rest.models import (
    Front,
    LabeledGateMap,
    LabelPath,
    Limit,
    NumberPath,
    Offset,
    Page,
    StudyDetail,
    StudyPath,
    Trial,
    TrialPage,
    study_detail,
    study_front,
)
from gatefront.search.service.rest.problem_details import RESPONSES
from gatefront.search.service.rest.response_cache import ResponseCache
from gatefront.search.snapshots.reader import StudyReader

States = Annotated[list[TrialState] | None, Query(alias="state", description="Only trials in one of these states.")]


def reading_routes(reader: StudyReader, cache: ResponseCache) -> APIRouter:
    """Create all routes that answer GET, except those of bundles."""
    routes = APIRouter(responses=RESPONSES)
    _add_lists(routes, reader, cache)
    _add_study(routes, reader, cache)
    _add_trials(routes, reader, cache)
    return routes


def _add_lists(routes: APIRouter, reader: StudyReader, cache: ResponseCache) -> None:
    @routes.get("/studies", tags=["studies"], response_model=Page[StudySummary])
    async def list_studies(request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        """Return all studies, the newest first."""

        def make() -> Page[StudySummary]:
            return Page[StudySummary].of(reader.list_studies(), limit, offset)

        return await cache.reply(request, _now, make)

    @routes.get("/comparisons", tags=["comparisons"])
    def list_comparisons(limit: Limit = 100, offset: Offset = 0) -> Page[str]:
        """Return the names of all comparisons."""
        return Page[str].of(reader.list_comparisons(), limit, offset)

    @routes.get("/comparisons/{name}", tags=["comparisons"])
    def comparison(name: StudyPath) -> ComparisonTable:
        """Return the current table of a comparison."""
        return reader.comparison(name)


def _add_study(routes: APIRouter, reader: StudyReader, cache: ResponseCache) -> None:
    @routes.get("/studies/{study}", tags=["studies"], response_model=StudyDetail)
    async def study(study: StudyPath, request: Request) -> Response:
        """Return one study: its state, its progress and its results."""
        return await cache.reply(request, lambda: reader.revision(study), lambda: study_detail(reader.view(study)))

    @routes.get("/studies/{study}/file", tags=["studies"], response_class=PlainTextResponse)
    def study_file(study: StudyPath) -> str:
        """Return the study file as it was given."""
        return reader.study_file(study)

    @routes.get("/studies/{study}/events", tags=["studies"], response_model=Page[StudyEvent])
    async def events(study: StudyPath, request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        """Return the study's events with their actors, the first one first."""

        def make() -> Page[StudyEvent]:
            return Page[StudyEvent].of(reader.view(study).events, limit, offset)

        return await cache.reply(request, lambda: reader.revision(study), make)

    @routes.get("/studies/{study}/front", tags=["studies"], response_model=Front)
    async def front(study: StudyPath, request: Request) -> Response:
        """Return the study's Pareto front."""
        return await cache.reply(request, lambda: reader.revision(study), lambda: study_front(reader.view(study)))


def _add_trials(routes: APIRouter, reader: StudyReader, cache: ResponseCache) -> None:
    @routes.get("/studies/{study}/trials", tags=["trials"], response_model=Page[Trial])
    async def trials(
        study: StudyPath, request: Request, states: States = None, limit: Limit = 100, offset: Offset = 0
    ) -> Response:
        """Return trials in order of their numbers, including replicates."""

        def make() -> Page[Trial]:
            points = [point for point in reader.view(study).trials if not states or point.state in states]
            return Page[Trial].of(points, limit, offset)

        return await cache.reply(request, lambda: reader.revision(study), make)

    @routes.get("/studies/{study}/points", tags=["trials"], response_model=Page[Trial])
    async def points(study: StudyPath, request: Request, limit: Limit = 1000, offset: Offset = 0) -> Response:
        """Return every network: trials, the points derived from them, and replicates with other seeds."""

        def make() -> Page[Trial]:
            view = reader.view(study)
            return Page[Trial].of([*view.points, *view.derived, *view.replicates], limit, offset)

        return await cache.reply(request, lambda: reader.revision(study), make)

    @routes.get("/studies/{study}/trials/{number}", tags=["trials"], response_model=TrialPage)
    async def trial(study: StudyPath, number: NumberPath, request: Request) -> Response:
        """Return everything known of one trial except its gates."""
        return await cache.reply(
            request,
            lambda: reader.trial_revision(study, number),
            lambda: TrialPage.model_validate(reader.trial(study, number)),
        )

    @routes.get("/studies/{study}/trials/{label}/gates", tags=["trials"], response_model=LabeledGateMap)
    async def gates(study: StudyPath, label: LabelPath, request: Request) -> Response:
        """Return the channels that each task keeps for itself in the network of a trial or derived point."""
        return await cache.reply(
            request, lambda: reader.revision(study), lambda: _gates(reader, study, PointLabel.parse(label))
        )


def _now() -> str:
    """Return a new revision for content that has none."""
    return str(time.time_ns())


def _gates(reader: StudyReader, study: str, label: PointLabel) -> LabeledGateMap:
    for network in reader.trial(study, label.number).networks:
        gates = network.gate_map
        if network.point.derived == label.derived and gates is not None:
            return LabeledGateMap(study=study, label=str(label), tasks=gates.tasks, sites=gates.sites)
    raise StudyNotFoundError(f"study {study!r} has no gates of {label}.", hint="Only a complete trial has them.")
