"""Training of a comparison's systems, side by side in the cluster's workers."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import ray

from gatefront.search.comparison.jobs import SystemJob
from gatefront.search.comparison.run import Workers
from gatefront.search.comparison.training import train_system
from gatefront.search.driver.ray_backend.reference_tasks import RayReferences
from gatefront.search.driver.ray_backend.tasks import run_jobs
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.memory import keep_to_share
from gatefront.search.planning.worker_resources import WorkerResources
from gatefront.search.results.comparison_table import SystemRun
from gatefront.search.storage.artifacts.paths import StudyFolders

logger = logging.getLogger(__name__)


def ray_workers(workers: WorkerResources, stop_request: StopRequest) -> Workers:
    """Return functions that train everything of a comparison in Ray's workers.

    A stop request ends the training of systems in the same way as that of references.
    """
    return Workers(
        train_references=RayReferences(workers, stop_request), train_systems=_RaySystems(workers, stop_request)
    )


class _RaySystems:
    def __init__(self, workers: WorkerResources, stop_request: StopRequest) -> None:
        self._workers = workers
        self._stop_request = stop_request

    def __call__(
        self, jobs: Sequence[SystemJob], folders: StudyFolders
    ) -> Iterator[tuple[SystemJob, SystemRun | None]]:
        gpus = self._workers.gpus_per_worker
        arguments = ((job, (job, folders.cache, folders.system(job.key), gpus)) for job in jobs)
        for job, reference in run_jobs(_train_in_share, arguments, self._workers, self._stop_request):
            yield job, _result(job, reference)


def _train_in_share(job: SystemJob, cache_dir: Path, work_dir: Path, gpus: float) -> SystemRun:
    keep_to_share(gpus)
    return train_system(job, cache_dir, work_dir)


def _result(job: SystemJob, reference: "ray.ObjectRef[SystemRun]") -> SystemRun | None:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        logger.warning("%s, seed %d failed: %s", job.system.name, job.seed, error.cause)
    except ray.exceptions.RayError as error:
        logger.warning("%s, seed %d: its worker died: %s", job.system.name, job.seed, error)
    return None
