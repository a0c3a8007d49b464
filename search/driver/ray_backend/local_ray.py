"""start_ray: Ray on this machine, also on one that is busy."""

import logging
from pathlib import Path

import ray
import torch

from gatefront.search.errors import DriverFailedError

logger = logging.getLogger(__name__)

_MOST_STARTS = 3
# Ray gives its agents 15 seconds to import what they need, which no setting changes, and then its node half a minute.
# On a busy machine a first start may miss that; the next finds the files in memory.
_NOT_IN_TIME = "timed out during startup"


def start_ray(folder: Path, *, num_cpus: int) -> None:
    """Start a cluster of this machine alone, its files in ``folder``.

    Raises:
        DriverFailedError: it did not come up in time, again and again.
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
