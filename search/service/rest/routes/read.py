"""Routes that read studies and comparisons. What is not kept already is read from the database in a thread."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.best_point import front_points
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.states import TrialState
from gatefront.search.service.rest.models.base import LabelPath, Limit, NumberPath, Offset, Page, StudyPath
from gatefront.search.service.rest.models.comparison import Comparison, comparison_model
from gatefront.search.service.rest.models.study import (
    Event,
    Front,
    Reference,
    Study,
    StudyDetail,
    study_detail,
    study_model,
)
from gatefront.search.service.rest.models.trial import (
    GateMap,
    Trial,
    TrialPage,
    gate_map_model,
    trial_model,
    trial_page,
)
from gatefront.search.service.rest.problem_details import RESPONSES
from gatefront.search.service.rest.response_cache import ResponseCache
from gatefront.search.snapshots.reader import StudyReader

States = Annotated[list[TrialState] | None, Query(alias="state", description="Only trials in one of these states.")]


def reading_routes(reader: StudyReader, replies: ResponseCache) -> APIRouter:
    """Everything that is asked with GET, but bundles."""
    routes = APIRouter(responses=RESPONSES)
    _add_lists(routes, reader, replies)
    _add_study(routes, reader, replies)
    _add_trials(routes, reader, replies)
    return routes


def _add_lists(routes: APIRouter, reader: StudyReader, replies: ResponseCache) -> None:
    @routes.get("/studies", tags=["studies"], response_model=Page[Study])
    async def list_studies(request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        """All studies, the newest first."""

        def make() -> Page[Study]:
            return _page(reader.list_studies(), study_model, limit, offset)

        return await replies.reply(request, _now, make)

    @routes.get("/comparisons", tags=["comparisons"])
    def list_comparisons(limit: Limit = 100, offset: Offset = 0) -> Page[str]:
        """The names of all comparisons."""
        return _page(reader.list_comparisons(), str, limit, offset)

    @routes.get("/comparisons/{name}", tags=["comparisons"])
    def comparison(name: StudyPath) -> Comparison:
        """A comparison as far as it has come."""
        return comparison_model(reader.comparison(name))


def _add_study(routes: APIRouter, reader: StudyReader, replies: ResponseCache) -> None:
    @routes.get("/studies/{study}", tags=["studies"], response_model=StudyDetail)
    async def study(study: StudyPath, request: Request) -> Response:
        """One study: its state, how far it is, what it has found."""
        return await replies.reply(request, lambda: reader.revision(study), lambda: study_detail(reader.view(study)))

    @routes.get("/studies/{study}/file", tags=["studies"], response_class=PlainTextResponse)
    def study_file(study: StudyPath) -> str:
        """The study file as it was given."""
        return reader.study_file(study)

    @routes.get("/studies/{study}/events", tags=["studies"], response_model=Page[Event])
    async def events(study: StudyPath, request: Request, limit: Limit = 100, offset: Offset = 0) -> Response:
        """What was changed about the study, and by whom, the first change first."""

        def make() -> Page[Event]:
            return _page(reader.view(study).events, Event.model_validate, limit, offset)

        return await replies.reply(request, lambda: reader.revision(study), make)

    @routes.get("/studies/{study}/front", tags=["studies"], response_model=Front)
    async def front(study: StudyPath, request: Request) -> Response:
        """The study's Pareto front."""
        return await replies.reply(request, lambda: reader.revision(study), lambda: _front(reader, study))


def _add_trials(routes: APIRouter, reader: StudyReader, replies: ResponseCache) -> None:
    @routes.get("/studies/{study}/trials", tags=["trials"], response_model=Page[Trial])
    async def trials(
        study: StudyPath, request: Request, states: States = None, limit: Limit = 100, offset: Offset = 0
    ) -> Response:
        """Trials in order of their numbers, those that repeat others too."""

        def make() -> Page[Trial]:
            points = [point for point in reader.view(study).trials if not states or point.state in states]
            return _page(points, trial_model, limit, offset)

        return await replies.reply(request, lambda: reader.revision(study), make)

    @routes.get("/studies/{study}/points", tags=["trials"], response_model=Page[Trial])
    async def points(study: StudyPath, request: Request, limit: Limit = 1000, offset: Offset = 0) -> Response:
        """Every network: trials, the points derived from them, and what repeats others with other seeds."""

        def make() -> Page[Trial]:
            view = reader.view(study)
            return _page([*view.points, *view.derived, *view.repeats], trial_model, limit, offset)

        return await replies.reply(request, lambda: reader.revision(study), make)

    @routes.get("/studies/{study}/trials/{number}", tags=["trials"], response_model=TrialPage)
    async def trial(study: StudyPath, number: NumberPath, request: Request) -> Response:
        """Everything known of one trial, but its gates."""
        return await replies.reply(
            request, lambda: reader.trial_revision(study, number), lambda: trial_page(reader.trial(study, number))
        )

    @routes.get("/studies/{study}/trials/{label}/gates", tags=["trials"], response_model=GateMap)
    async def gates(study: StudyPath, label: LabelPath, request: Request) -> Response:
        """Which channels each task keeps for itself in the network of a trial, or of a point derived from one."""
        return await replies.reply(
            request, lambda: reader.revision(study), lambda: _gates(reader, study, PointLabel.parse(label))
        )


def _page(items: Sequence[Any], make: Callable[[Any], Any], limit: int, offset: int) -> Page[Any]:
    part = tuple(make(item) for item in items[offset : offset + limit])
    return Page(items=part, total=len(items), limit=limit, offset=offset)


def _now() -> str:
    """A revision of what has none."""
    return str(time.time_ns())


def _front(reader: StudyReader, study: str) -> Front:
    view = reader.view(study)
    summary = view.summary
    return Front(
        revision=view.revision,
        study=summary.name,
        flop_budget=summary.flop_budget,
        single_task_flops=summary.single_task_flops,
        best_label=summary.best_label,
        hypervolume=summary.hypervolume,
        hypervolume_band=summary.hypervolume_band,
        references=tuple(map(Reference.model_validate, view.references)),
        points=tuple(map(trial_model, front_points(view))),
    )


def _gates(reader: StudyReader, study: str, label: PointLabel) -> GateMap:
    for network in reader.trial(study, label.number).networks:
        if network.point.derived == label.derived and network.gate_map is not None:
            return gate_map_model(study, str(label), network.gate_map)
    raise StudyNotFoundError(f"study {study!r} has no gates of {label}.", hint="Only a complete trial has them.")
