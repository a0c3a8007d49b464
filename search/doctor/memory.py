"""Check that all workers have the memory that a training step needs."""

import math
from collections.abc import Sequence

import torch

from gatefront.search.doctor.check import Check
from gatefront.search.doctor.first_steps import FirstSteps
from gatefront.search.doctor.peak_memory import available_bytes, total_bytes
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.planning.worker_resources import plan_local_workers


def check_memory(plan: StudyPlan, steps: Sequence[FirstSteps]) -> Check:
    """Check that the device has enough memory for the largest network on each worker that shares it.

    Loader workers and the driver are not included. The verdict is on all memory that the device has. Memory that other
    programs hold at the moment is reported, and does not change the verdict.
    """
    worst = max(steps, key=lambda one: one.peak_bytes)
    workers = plan_local_workers(plan.config.study.workers).num_workers
    sharing = math.ceil(workers / torch.cuda.device_count()) if worst.device.type == "cuda" else workers
    available, total = available_bytes(worst.device), total_bytes(worst.device)
    place = "machine" if worst.device.type == "cpu" else "GPU"
    family = f" ({worst.family})" if len(steps) > 1 else ""
    needed = f"about {_gibibytes(worst.peak_bytes)} per worker{family}, {sharing} of them on this {place}"
    detail = f"{needed}, {_gibibytes(available)} available of {_gibibytes(total)}"
    if worst.num_measured < worst.batch_size:
        detail += f" (scaled up from {worst.num_measured} to {worst.batch_size} samples)"
    fits = sharing * worst.peak_bytes <= total
    if fits and sharing * worst.peak_bytes > available:
        detail += "; end other programs first, they hold the rest"
    if not fits:
        detail += "; use fewer workers, a smaller batch_size, a micro_batch_size or checkpoint_activations"
    return Check("estimated memory", fits, detail)


def _gibibytes(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"
