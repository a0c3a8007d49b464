"""The first training steps of a study's largest networks: can they learn, how long do they take, what do they hold?"""

import time
from dataclasses import dataclass
from itertools import islice

import torch

from search.doctor.check import Check
from search.doctor.peak_memory import available_bytes
from search.doctor.trainee import OVERFIT_STEPS, Trainee
from search.family_section import FamilyName
from search.plan import StudyPlan
from trainer.data import Batch, MultiTaskData
from trainer.data.loader import epoch_batches

_OVERFIT_SAMPLES = 16
_CPU_FLOPS_PER_STEP = 2e12  # forward; about a minute on one core
_LEARNED = 0.5  # of the first loss


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSteps:
    """What was seen of one family's network. ``losses`` are of a small batch of ``num_overfit`` samples.

    ``flops`` are those of its forward pass. ``seconds`` and ``peak_bytes`` are of a step with the study's
    ``batch_size``: the time it takes, and the most that its process holds on the device. They are scaled up from the
    small batch where ``num_measured`` is smaller than the study's. ``loading_seconds`` is what reading that batch
    takes in one process.
    """

    family: FamilyName
    flops: int
    device: torch.device
    losses: tuple[float, ...]
    num_overfit: int
    batch_size: int
    num_measured: int
    seconds: float
    peak_bytes: int
    loading_seconds: float

    def check_overfit(self, *, beside_others: bool = False) -> Check:
        """Passed if the loss fell, or nothing can be said in reasonable time. ``beside_others`` names the family."""
        name = f"one-batch overfit, {self.family}" if beside_others else "one-batch overfit"
        first, last, count = self.losses[0], self.losses[-1], len(self.losses)
        detail = f"loss {first:.3f} to {last:.3f} in {count} steps on {self.num_overfit} samples"
        if count < OVERFIT_STEPS:
            return Check(name, True, f"{detail}; {self.device} is too slow to tell")
        return Check(name, last < _LEARNED * first, detail)


def take_first_steps(plan: StudyPlan, data: MultiTaskData, family: FamilyName) -> FirstSteps:
    """Trains the family's largest network on one small batch, then takes a few steps with the study's batch size.

    The latter are left out where the small batch shows that they take too long or need more memory than there is.
    """
    trainee = Trainee(plan, family)
    device = trainee.runtime.device
    small, _ = _load_batch(plan, data, _num_overfit_samples(trainee.flops, device))
    losses, seconds, peak = trainee.overfit(small)
    batch, loading_seconds = _load_batch(plan, data, trainee.batch_size)
    factor = len(batch) / len(small)
    at_once = trainee.samples_at_once
    growth = min(len(batch), at_once) / min(len(small), at_once)
    peak_bytes = peak.scaled(growth, parameter_bytes=trainee.parameter_bytes)
    num_measured, seconds = len(small), seconds * factor
    if len(losses) == OVERFIT_STEPS and peak_bytes < available_bytes(device):
        seconds, peak_bytes = trainee.time(batch)
        num_measured = len(batch)
    return FirstSteps(
        family=family,
        flops=trainee.flops,
        device=device,
        losses=tuple(losses),
        num_overfit=len(small),
        batch_size=len(batch),
        num_measured=num_measured,
        seconds=seconds,
        peak_bytes=peak_bytes,
        loading_seconds=loading_seconds,
    )


def _num_overfit_samples(flops_per_sample: int, device: torch.device) -> int:
    if device.type != "cpu":
        return _OVERFIT_SAMPLES
    return max(1, min(_OVERFIT_SAMPLES, int(_CPU_FLOPS_PER_STEP / flops_per_sample)))


def _load_batch(plan: StudyPlan, data: MultiTaskData, size: int) -> tuple[Batch, float]:
    """The first ``size`` samples of the first epoch, or all where there are fewer, and the seconds of reading them."""
    started = time.perf_counter()
    batch = next(iter(islice(epoch_batches(data.train, plan.tasks, batch_size=size, seed=0, epoch=0), 1)))
    return batch, time.perf_counter() - started
