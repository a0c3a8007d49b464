"""A comparison's systems, side by side in the cluster's workers."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import ray

from search.cluster import WorkerResources
from search.comparison.jobs import SystemJob, train_system
from search.comparison.run import Workers
from search.comparison.table import SystemRun
from search.drain import Drain
from search.folders import StudyFolders
from search.ray_references import PreparationStoppedError, RayReferences
from search.worker_memory import keep_to_share

logger = logging.getLogger(__name__)

_POLL_S = 0.5
_MAX_RETRIES = 2  # of a worker that died; an error of the training would come back


def ray_workers(workers: WorkerResources, drain: Drain) -> Workers:
    """Everything that a comparison trains, in Ray's workers; a drain ends it with :class:`PreparationStoppedError`."""
    return Workers(train_references=RayReferences(workers, drain), train_systems=_RaySystems(workers, drain))


class _RaySystems:
    def __init__(self, workers: WorkerResources, drain: Drain) -> None:
        self._drain = drain
        self._gpus = workers.gpus_per_worker
        self._task = ray.remote(_train_in_share).options(
            num_cpus=1, num_gpus=workers.gpus_per_worker, max_retries=_MAX_RETRIES, retry_exceptions=False
        )

    def __call__(
        self, jobs: Sequence[SystemJob], folders: StudyFolders
    ) -> Iterator[tuple[SystemJob, SystemRun | None]]:
        running = {self._task.remote(job, folders.cache, folders.system(job.key), self._gpus): job for job in jobs}
        try:
            while running:
                ready, _ = ray.wait(list(running), timeout=_POLL_S)
                for reference in ready:
                    job = running.pop(reference)
                    yield job, _result(job, reference)
                if self._drain.is_requested:
                    raise PreparationStoppedError
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


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
