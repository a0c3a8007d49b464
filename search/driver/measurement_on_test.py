"""Figures of confirmed networks on the test split, measured in the cluster's workers once everything was chosen."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ray

from gatefront.search.driver.ray_backend.tasks import PreparationStoppedError, run_jobs
from gatefront.search.driver.references import References
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.memory import keep_to_share
from gatefront.search.planning.worker_resources import WorkerResources
from gatefront.search.results.confirmation import Key
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.study_store import StudyStore
from gatefront.spaces.errors import GatefrontError
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.trial.evaluation_on_test import evaluate_file_on_test

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementsOnTest:
    """Networks of a study that are still to be measured. One that cannot be is ``given_up`` for this session."""

    store: StudyStore
    reader: StudyReader
    stop_request: StopRequest
    given_up: set[Key] = field(default_factory=set)

    def due(self) -> list[Key]:
        """Return the networks that lack their figures; none without a test split, or once a stop is requested."""
        if self.stop_request.is_requested:
            return []
        view = self.store.retry_policy(lambda: self.reader.view(self.store.study))
        return [key for key in unmeasured_networks(view) if key not in self.given_up]


def unmeasured_networks(view: StudyView) -> list[Key]:
    """Return the confirmed networks, and the replicates that confirm them, that lack figures on the test split."""
    return [(point.number, point.derived) for point in _confirmed(view) if point.on_test is None]


def measure_due(
    measurements: MeasurementsOnTest, references: References, folders: StudyFolders, workers: WorkerResources
) -> None:
    """Measure and store what is due. A network that cannot be measured is logged, and the study goes on."""
    plan = references.plan
    common = (plan.data, plan.search_space.reference_train_config(epochs=1), folders.cache, workers.gpus_per_worker)
    jobs = [(key, (folders.network(*key), *common)) for key in measurements.due()]
    try:
        for key, reference in run_jobs(_measure, jobs, workers, measurements.stop_request):
            try:
                figures = references.figures_on_test(ray.get(reference))
            except (ray.exceptions.RayError, GatefrontError) as error:
                cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
                logger.warning("trial %s is not measured on the test split: %s", PointLabel(*key), cause)
                measurements.given_up.add(key)
            else:
                measurements.store.record_test_figures(*key, figures)
    except PreparationStoppedError:
        logger.info("stopped while networks were measured on the test split")


def _confirmed(view: StudyView) -> Iterator[TrialPoint]:
    if view.has_test_split:
        yield from (point for point in view.all_points if point.confirmation is not None)
        yield from (replicate for replicate in view.replicates if replicate.state is TrialState.COMPLETE)


def _measure(path: Path, spec: DataSpec, config: TrainConfig, cache_dir: Path, gpus: float) -> dict[str, float]:
    keep_to_share(gpus)
    return evaluate_file_on_test(path, load_data(spec, cache_dir), config)
