"""Training of references, side by side in the cluster's workers."""

from collections.abc import Iterator
from pathlib import Path

import ray

from gatefront.search.driver.ray_backend.tasks import PreparationStoppedError, run_jobs
from gatefront.search.driver.references import ReferenceJob, train_job
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.memory import keep_to_share, memory_cause, ran_out_of_memory
from gatefront.search.errors import ReferenceFailedError
from gatefront.search.planning.worker_resources import WorkerResources
from gatefront.trainer.checkpoints.disk_full import DiskFullError, disk_full, ran_out_of_disk
from gatefront.trainer.reporting import ReferenceResult


class RayReferences:
    """A :data:`gatefront.search.driver.references.TrainAll` that yields results as workers finish them.

    A stop request ends it with :class:`~gatefront.search.driver.ray_backend.tasks.PreparationStoppedError`. A full disk
    asks for a stop.
    """

    def __init__(self, workers: WorkerResources, stop_request: StopRequest) -> None:
        self._workers = workers
        self._stop_request = stop_request

    def __call__(self, jobs: list[ReferenceJob], cache_dir: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
        arguments = ((job, (job, cache_dir, self._workers.gpus_per_worker)) for job in jobs)
        for job, reference in run_jobs(_train_in_share, arguments, self._workers, self._stop_request):
            try:
                result = _result(job, reference, cache_dir)
            except DiskFullError as error:
                self._stop_request.request_once(error.message.rstrip("."))
                raise PreparationStoppedError from error
            yield job, result


def _train_in_share(job: ReferenceJob, cache_dir: Path, gpus: float) -> ReferenceResult:
    keep_to_share(gpus)
    return train_job(job, cache_dir)


def _result(job: ReferenceJob, reference: "ray.ObjectRef[ReferenceResult]", cache_dir: Path) -> ReferenceResult:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if ran_out_of_disk(error.cause, cache_dir):
            raise disk_full(cache_dir) from error.cause
        if ran_out_of_memory(error.cause):
            cause = memory_cause(error.cause, job.architecture, job.train)
            raise ReferenceFailedError(f"the reference {job.role} failed: {cause}") from error.cause
        raise ReferenceFailedError(f"the reference {job.role} failed: {error.cause}.") from error.cause
    except ray.exceptions.RayError as error:
        raise ReferenceFailedError(f"the worker of reference {job.role} died: {error}.") from error
