"""Training references side by side in the cluster's workers."""

from collections.abc import Iterator
from pathlib import Path

import ray

from search.cluster import WorkerResources
from search.drain import Drain
from search.errors import ReferenceFailedError
from search.references import ReferenceJob, train_job
from search.worker_memory import keep_to_share, memory_cause, ran_out_of_memory
from trainer.reporting import ReferenceResult

_POLL_S = 0.5
# A worker killed by the system is tried again; an error of the training itself is not.
_MAX_RETRIES = 2


class PreparationStoppedError(Exception):
    """The study was asked to stop before its references were ready."""


class RayReferences:
    """A :data:`search.references.TrainAll` that yields results as workers finish them."""

    def __init__(self, workers: WorkerResources, drain: Drain) -> None:
        self._drain = drain
        self._gpus = workers.gpus_per_worker
        self._task = ray.remote(_train_in_share).options(
            num_cpus=1, num_gpus=workers.gpus_per_worker, max_retries=_MAX_RETRIES, retry_exceptions=False
        )

    def __call__(self, jobs: list[ReferenceJob], cache_dir: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
        running = {self._task.remote(job, cache_dir, self._gpus): job for job in jobs}
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


def _train_in_share(job: ReferenceJob, cache_dir: Path, gpus: float) -> ReferenceResult:
    keep_to_share(gpus)
    return train_job(job, cache_dir)


def _result(job: ReferenceJob, reference: "ray.ObjectRef[ReferenceResult]") -> ReferenceResult:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if ran_out_of_memory(error.cause):
            cause = memory_cause(error.cause, job.architecture, job.train)
            raise ReferenceFailedError(f"the reference {job.role} failed: {cause}") from error.cause
        raise ReferenceFailedError(f"the reference {job.role} failed: {error.cause}.") from error.cause
    except ray.exceptions.RayError as error:
        raise ReferenceFailedError(f"the worker of reference {job.role} died: {error}.") from error
