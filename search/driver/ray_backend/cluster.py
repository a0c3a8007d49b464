"""The Ray cluster of one study: its own on this machine, or an existing one. Only this module calls ``ray.init``."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import torch

import gatefront
from gatefront.search.driver.ray_backend.temp_dir import ray_folder
from gatefront.search.driver.signals import own_signals
from gatefront.search.errors import DriverFailedError
from gatefront.search.planning.worker_resources import WorkerResources, plan_local_workers, share_out

_PACKAGE = Path(gatefront.__file__).resolve().parent
# Workers inherit these variables, too. A `runtime_env` would do the same, but its workers start later.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # On a busy machine a worker may take minutes to start. If Ray abandons it, the next one starts no sooner.
    "RAY_worker_register_timeout_seconds": "600",
    # Messages carry no metric by design, and the driver has its own Ctrl-C.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}


def plan_workers(asked: int | None, address: str | None = None) -> WorkerResources:
    """Plan as many workers as asked for, else one per GPU, else one per CPU core.

    GPUs and cores are those of the cluster at the ``address``, or of this machine.

    Raises:
        DriverFailedError: there is no cluster at the address.
    """
    if address is None:
        return plan_local_workers(asked)
    num_cpus, num_gpus = _count_there(address)
    return share_out(asked, num_cpus=num_cpus, num_gpus=num_gpus)


def _count_there(address: str) -> tuple[int, int]:
    with _joined(address):
        found = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(found.get("CPU", 1))), int(found.get("GPU", 0))


@contextlib.contextmanager
def cluster(workers: WorkerResources, address: str | None = None) -> Iterator[None]:
    """Connect to Ray for the length of the block, on this machine or on the cluster at the ``address``.

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
    """Run Ray on this machine for the length of the block, never joining another cluster that runs here."""
    _set_environment(workers)
    with ray_folder() as folder:
        try:
            # Ray puts the driver's working directory first on each worker's path. A user's module there would hide
            # one of the same name that gatefront imports.
            with contextlib.chdir(_PACKAGE.parent), own_signals():
                start_ray(folder, num_cpus=workers.num_workers)
            yield
        finally:
            ray.shutdown()


def _set_environment(workers: WorkerResources) -> None:
    # By default one worker is started after the other, each waiting for the one before.
    for name, value in (_ENVIRONMENT | {"TUNE_MAX_PENDING_TRIALS_PG": str(workers.num_workers)}).items():
        os.environ.setdefault(name, value)


logger = logging.getLogger(__name__)


_MOST_STARTS = 3


# Ray gives its agents 15 seconds to import their modules, which no setting changes, and then its node half a minute.
# On a busy machine a first start may exceed that. The next one finds the files in memory.
_NOT_IN_TIME = "timed out during startup"


def start_ray(folder: Path, *, num_cpus: int) -> None:
    """Start a cluster of this machine alone, with its files in ``folder``.

    Raises:
        DriverFailedError: it did not start in time in any of several tries.
    """
    for start in range(1, _MOST_STARTS + 1):
        try:
            _start(folder, num_cpus)
        except Exception as error:  # Ray raises the plain class for this
            if _NOT_IN_TIME not in str(error):
                raise
            logger.warning("Ray did not start in time (%d of %d tries)", start, _MOST_STARTS)
        else:
            return
    raise DriverFailedError(
        f"Ray did not start on this machine in {_MOST_STARTS} tries: other programs leave it too little.",
        hint="Try again when fewer of them run.",
    )


def _start(folder: Path, num_cpus: int) -> None:
    ray.init(
        address="local",
        num_cpus=num_cpus,
        num_gpus=torch.cuda.device_count(),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=str(folder),
    )
