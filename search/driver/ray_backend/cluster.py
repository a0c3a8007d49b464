"""The Ray cluster of one study: its own on this machine, or one that is there. The only ``ray.init`` here."""

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch

import gatefront
from gatefront.search.driver.ray_backend.local_ray import start_ray
from gatefront.search.driver.ray_backend.temp_dir import ray_folder
from gatefront.search.driver.signals import own_signals
from gatefront.search.errors import DriverFailedError

_PACKAGE = Path(gatefront.__file__).resolve().parent
_RAY_UNITS = 10_000
# What workers inherit, too. A `runtime_env` would do the same, but its workers start later.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # On a busy machine a worker may take minutes to start; one that is given up starts no sooner the next time.
    "RAY_worker_register_timeout_seconds": "600",
    # Messages carry no metric by design, and the driver has its own Ctrl-C.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """What one worker holds: one CPU core and a share of a GPU, 0 where there is none."""

    num_workers: int
    gpus_per_worker: float

    def as_ray(self) -> dict[str, float]:
        return {"cpu": 1.0, "gpu": self.gpus_per_worker} if self.gpus_per_worker else {"cpu": 1.0}


def plan_workers(asked: int | None, address: str | None = None) -> WorkerResources:
    """As many workers as asked for, else one per GPU, else one per CPU core this process may use.

    More workers than GPUs share them: as many on each, or one fewer on some. All have the same share, so that Ray
    finds a place for every one. With an ``address`` GPUs and cores are those of the cluster there.

    Raises:
        DriverFailedError: there is no cluster at the address.
    """
    num_cpus, num_gpus = _count_here() if address is None else _count_there(address)
    num_workers = asked or num_gpus or num_cpus
    return WorkerResources(num_workers, _gpu_share(num_workers, num_gpus))


def _count_here() -> tuple[int, int]:
    return len(os.sched_getaffinity(0)), torch.cuda.device_count()


def _count_there(address: str) -> tuple[int, int]:
    with _joined(address):
        found = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(found.get("CPU", 1))), int(found.get("GPU", 0))


def _gpu_share(num_workers: int, num_gpus: int) -> float:
    if num_gpus == 0:
        return 0.0
    # Ray counts in ten-thousandths: rounded up, the shares of one GPU would be more than it is.
    return math.floor(_RAY_UNITS / math.ceil(num_workers / num_gpus)) / _RAY_UNITS


@contextlib.contextmanager
def cluster(workers: WorkerResources, address: str | None = None) -> Iterator[None]:
    """Ray for the length of the block: on this machine, or the cluster at the ``address``.

    Raises:
        DriverFailedError: there is no cluster at the address, or this machine's Ray did not start.
    """
    with local_cluster(workers) if address is None else _shared_cluster(workers, address):
        yield


@contextlib.contextmanager
def _shared_cluster(workers: WorkerResources, address: str) -> Iterator[None]:
    _set_environment(workers)
    # Sent along, so that the cluster's workers run the code that the driver does, whatever they have installed.
    with _joined(address, {"py_modules": [str(_PACKAGE)], "env_vars": dict(_ENVIRONMENT)}):
        yield


@contextlib.contextmanager
def _joined(address: str, runtime_env: dict[str, Any] | None = None) -> Iterator[None]:
    try:
        with own_signals():
            ray.init(
                address=address,
                runtime_env=runtime_env,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise DriverFailedError(
            f"the Ray cluster at {address} cannot be joined: {reason}.",
            hint="Check --address, and that RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH is the cluster's.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def local_cluster(workers: WorkerResources) -> Iterator[None]:
    """Ray on this machine for the length of the block, never another cluster that happens to run here."""
    _set_environment(workers)
    with ray_folder() as folder:
        try:
            # Ray puts the driver's working directory first on each worker's path: a user's module named like one that
            # gatefront imports would hide it.
            with contextlib.chdir(_PACKAGE.parent), own_signals():
                start_ray(folder, num_cpus=workers.num_workers)
            yield
        finally:
            ray.shutdown()


def _set_environment(workers: WorkerResources) -> None:
    # By default one worker is started after the other, each waiting for the one before.
    for name, value in (_ENVIRONMENT | {"TUNE_MAX_PENDING_TRIALS_PG": str(workers.num_workers)}).items():
        os.environ.setdefault(name, value)
