"""Metrics for Prometheus: studies and trials by state, results of the fronts, and heartbeats of drivers."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gatefront.search.results.records import StudySummary
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.rest.problem_details import RESPONSES
from gatefront.search.service.rest.response_cache import ResponseCache
from gatefront.search.snapshots.reader import StudyReader


def metrics_routes(reader: StudyReader, cache: ResponseCache) -> APIRouter:
    """Create the routes ``/healthz`` and ``/metrics``."""
    routes = APIRouter(tags=["service"], responses=RESPONSES)
    registry = CollectorRegistry()
    registry.register(StudyMetrics(reader))

    @routes.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Return the metrics in Prometheus' text format."""

        def now() -> str:
            return str(time.time_ns())

        return await cache.reply(request, now, lambda: generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @routes.get("/healthz", response_class=Response)
    async def healthz() -> Response:
        """Return OK as long as the service answers. `/metrics` shows whether the database does."""
        return Response("OK", media_type="text/plain")

    return routes


class StudyMetrics(Collector):
    """Collector that reads the studies on each request."""

    def __init__(self, reader: StudyReader) -> None:
        self._reader = reader

    def collect(self) -> Iterable[Metric]:
        summaries = self._reader.list_studies()
        yield _studies(summaries)
        yield from _per_study(summaries)

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registration does not read the database."""
        return ()


def _studies(summaries: Iterable[StudySummary]) -> Metric:
    family = GaugeMetricFamily("gatefront_studies", "Studies by state.", labels=["state"])
    counts = Counter(summary.state for summary in summaries)
    for state in StudyState:
        family.add_metric([state.value], counts[state])
    return family


def _per_study(summaries: Iterable[StudySummary]) -> Iterator[Metric]:
    trials = GaugeMetricFamily("gatefront_trials", "Trials by state.", labels=["study", "state"])
    asked = GaugeMetricFamily("gatefront_trials_asked", "Trials asked for.", labels=["study"])
    volume = GaugeMetricFamily("gatefront_hypervolume", "Hypervolume of the feasible front.", labels=["study"])
    best = GaugeMetricFamily("gatefront_best_delta_mtl_percent", "Best Δ_MTL under the budget.", labels=["study"])
    spent = GaugeMetricFamily("gatefront_worker_seconds", "Worker time spent.", labels=["study"])
    beat = GaugeMetricFamily(
        "gatefront_driver_heartbeat_age_seconds", "Since the driver's last sign of life.", labels=["study"]
    )
    now = datetime.now(UTC)
    for summary in summaries:
        for state in TrialState:
            trials.add_metric([summary.name, state.value], summary.state_counts.get(state, 0))
        asked.add_metric([summary.name], summary.num_trials)
        spent.add_metric([summary.name], summary.seconds_spent)
        if summary.hypervolume is not None:
            volume.add_metric([summary.name], summary.hypervolume)
        if summary.best_delta_mtl is not None:
            best.add_metric([summary.name], summary.best_delta_mtl)
        if summary.heartbeat_at is not None:
            beat.add_metric([summary.name], (now - summary.heartbeat_at).total_seconds())
    yield from (trials, asked, volume, best, spent, beat)
