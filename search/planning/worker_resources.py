"""Workers of a study and what each of them holds."""

import math
import os
from dataclasses import dataclass

import torch

_RAY_UNITS = 10_000


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """What one worker holds: one CPU core and a share of a GPU, 0 where there is none."""

    num_workers: int
    gpus_per_worker: float

    def as_ray(self) -> dict[str, float]:
        return {"cpu": 1.0, "gpu": self.gpus_per_worker} if self.gpus_per_worker else {"cpu": 1.0}


def plan_local_workers(asked: int | None) -> WorkerResources:
    """Plan as many workers on this machine as asked for, else one per GPU, else one per CPU core it may use."""
    return share_out(asked, num_cpus=len(os.sched_getaffinity(0)), num_gpus=torch.cuda.device_count())


def share_out(asked: int | None, *, num_cpus: int, num_gpus: int) -> WorkerResources:
    """Give every worker the same share of the GPUs, so that Ray finds a place for each.

    More workers than GPUs share them: as many on each, or one fewer on some.
    """
    num_workers = asked or num_gpus or num_cpus
    return WorkerResources(num_workers, _gpu_share(num_workers, num_gpus))


def _gpu_share(num_workers: int, num_gpus: int) -> float:
    if num_gpus == 0:
        return 0.0
    # Ray counts in ten-thousandths: rounded up, the shares of one GPU would be more than it is.
    return math.floor(_RAY_UNITS / math.ceil(num_workers / num_gpus)) / _RAY_UNITS
