"""Jobs that run side by side in the cluster's workers. A stop request ends them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import ray

from gatefront.search.driver.ray_backend.memory_kills import MOST_ATTEMPTS
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.planning.worker_resources import WorkerResources

_POLL_S = 0.5

Job = TypeVar("Job")


class PreparationStoppedError(Exception):
    """Error for a stop that was requested before all jobs were done."""


def run_jobs(
    train: Callable[..., Any],
    jobs: Iterable[tuple[Job, tuple[Any, ...]]],
    workers: WorkerResources,
    stop_request: StopRequest,
) -> Iterator[tuple[Job, "ray.ObjectRef[Any]"]]:
    """Run ``train`` with each job's arguments in a worker, and yield each job as it ends.

    It is yielded with a reference to its result or its error.

    Raises:
        PreparationStoppedError: a stop was requested. Jobs that still ran were ended.
    """
    task = ray.remote(train).options(
        num_cpus=1, num_gpus=workers.gpus_per_worker, max_retries=MOST_ATTEMPTS - 1, retry_exceptions=False
    )
    running = {task.remote(*values): job for job, values in jobs}
    try:
        while running:
            ready, _ = ray.wait(list(running), timeout=_POLL_S)
            for reference in ready:
                yield running.pop(reference), reference
            if stop_request.is_requested:
                raise PreparationStoppedError
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
