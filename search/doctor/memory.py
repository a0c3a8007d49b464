"""Does every worker have the memory that a training step needs?"""

import math

import torch

from search.cluster import plan_workers
from search.doctor.check import Check
from search.doctor.first_steps import FirstSteps
from search.doctor.peak_memory import available_bytes
from search.plan import StudyPlan


def check_memory(plan: StudyPlan, steps: FirstSteps) -> Check:
    """Workers on one device share its memory; loader workers and the driver come on top."""
    workers = plan_workers(plan.config.study.workers).num_workers
    sharing = math.ceil(workers / torch.cuda.device_count()) if steps.device.type == "cuda" else workers
    available = available_bytes(steps.device)
    place = "machine" if steps.device.type == "cpu" else "GPU"
    needed = f"about {_gibibytes(steps.peak_bytes)} per worker, {sharing} of them on this {place}"
    detail = f"{needed}, {_gibibytes(available)} available"
    if steps.num_measured < steps.batch_size:
        detail += f" (scaled up from {steps.num_measured} to {steps.batch_size} samples)"
    fits = sharing * steps.peak_bytes <= available
    if not fits:
        detail += "; use fewer workers, a smaller batch_size or checkpoint_activations"
    return Check("estimated memory", fits, detail)


def _gibibytes(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"
