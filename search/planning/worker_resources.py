"""Workers of a study and the resources that each of them holds."""

import math
import os
from dataclasses import dataclass

import torch

_RAY_UNITS = 10_000


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """Resources of one worker: one CPU core and a share of a GPU, 0 without a GPU."""

    num_workers: int
    gpus_per_worker: float

    def as_ray(self) -> dict[str, float]:
        return {"cpu": 1.0, "gpu": self.gpus_per_worker} if self.gpus_per_worker else {"cpu": 1.0}


def plan_local_workers(asked: int | None) -> WorkerResources:
    """Plan the asked number of workers on this machine; by default one per GPU, else one per usable CPU core."""
    return share_out(asked, num_cpus=len(os.sched_getaffinity(0)), num_gpus=torch.cuda.device_count())


def share_out(asked: int | None, *, num_cpus: int, num_gpus: int) -> WorkerResources:
    """Give every worker the same share of the GPUs, so that Ray can place each.

    If there are more workers than GPUs, they share them: each GPU gets the same number, or some get one fewer.
    """
    num_workers = asked or num_gpus or num_cpus
    return WorkerResources(num_workers, _gpu_share(num_workers, num_gpus))


def _gpu_share(num_workers: int, num_gpus: int) -> float:
    if num_gpus == 0:
        return 0.0
    # Ray counts in ten-thousandths. If shares were rounded up, those of one GPU would add up to more than 1.
    return math.floor(_RAY_UNITS / math.ceil(num_workers / num_gpus)) / _RAY_UNITS
