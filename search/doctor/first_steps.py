"""First training steps of a study's largest networks, which show their learning, their time and their memory."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from gatefront.search.config.family import FamilyName
from gatefront.search.doctor.check import Check
from gatefront.search.doctor.peak_memory import available_bytes
from gatefront.search.doctor.probe_network import Trainee
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.results.formats import format_flops
from gatefront.trainer.data import Batch, MultiTaskData
from gatefront.trainer.data.loader import epoch_batches

_STEPS = 60
_MOST_SAMPLES, _FEWEST_SAMPLES = 16, 2  # batch normalization fails on a batch of one
# FLOPs of forward passes, on a core of a CPU. A core does very roughly 2e10 a second, with the backward passes.
_USUAL_FLOPS = 1e12  # what the steps on one batch should take together, and no step of the study's batch size more
_MOST_FLOPS = 4e12  # above this with the fewest samples, the steps are not taken
_GPU_FACTOR = 100
_SUM_LEARNED, _TASK_LEARNED = 0.5, 0.75  # of the first loss. Edges learn slowest: 0.5 in 60 steps of ConvNeXt


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSteps:
    """First training steps of one family's network.

    ``losses`` are those of each task, on a small batch of ``num_overfit`` samples. ``flops`` are those of one forward
    pass. ``overfit_seconds`` is the time of all steps on the small batch.

    ``seconds`` and ``peak_bytes`` are of one step with the study's ``batch_size``: its time, and the most memory that
    its process holds on the device. They are scaled up from the small batch if ``num_measured`` is below
    ``batch_size``. ``loading_seconds`` is the time of reading that batch in one process.
    """

    family: FamilyName
    flops: int
    device: torch.device
    losses: Mapping[str, tuple[float, ...]]
    num_overfit: int
    overfit_seconds: float
    batch_size: int
    num_measured: int
    seconds: float
    peak_bytes: int
    loading_seconds: float

    def check_overfit(self, *, beside_others: bool = False) -> Check:
        """Judge by the steps taken, not by time, whether every task can memorize the small batch.

        Args:
            beside_others: True to name the family.

        Returns:
            A check that passed if the sum of the losses halved and each fell by a quarter at least, or if the network
            is so large that the steps were not taken.
        """
        name = f"one-batch overfit, {self.family}" if beside_others else "one-batch overfit"
        sums = [sum(losses) for losses in zip(*self.losses.values(), strict=True)]
        if len(sums) < _STEPS:
            limit = _most_flops(self.device) / (_STEPS * _FEWEST_SAMPLES)
            return Check(
                name,
                True,
                f"not tried: the network computes {format_flops(self.flops)} a sample, and {_STEPS} steps are "
                f"taken up to {format_flops(round(limit))} on {self.device.type.upper()}",
            )
        detail = (
            f"loss {sums[0]:.3f} to {sums[-1]:.3f} in {_STEPS} steps on {self.num_overfit} samples, "
            f"{self.overfit_seconds:.3g} s"
        )
        slow = [task for task, losses in self.losses.items() if _fall(losses) > _TASK_LEARNED]
        if not slow and _fall(sums) <= _SUM_LEARNED:
            return Check(name, True, detail)
        slow = slow or [task for task, losses in self.losses.items() if _fall(losses) > _SUM_LEARNED]
        more = [f"{task}: loss {losses[0]:.3g} to {losses[-1]:.3g}" for task, losses in self.losses.items()]
        hint = "look at its labels and their scale" if len(slow) == 1 else "look at their labels and their scale"
        return Check(name, False, f"{detail}; not learned: {', '.join(slow)}; {hint}", tuple(more))


def take_first_steps(plan: StudyPlan, data: MultiTaskData, family: FamilyName) -> FirstSteps:
    """Train the family's largest network on one small batch, then take a few steps with the study's batch size.

    The numbers of samples and steps on the small batch depend on the network's FLOPs and the device, not on time. The
    steps with the study's batch size are left out if they take too long or need more memory than is available.
    """
    trainee = Trainee(plan, family)
    device = trainee.runtime.device
    num_samples, num_steps = _small_batch(trainee.flops, device)
    small, _ = _load_batch(plan, data, num_samples)
    losses, seconds_of_small, peak = trainee.overfit(small, num_steps)
    batch, loading_seconds = _load_batch(plan, data, trainee.batch_size)
    factor = len(batch) / len(small)
    at_once = trainee.samples_at_once
    growth = min(len(batch), at_once) / min(len(small), at_once)
    peak_bytes = peak.scaled(growth, parameter_bytes=trainee.parameter_bytes)
    num_measured, seconds = len(small), seconds_of_small * factor
    is_short = len(batch) * trainee.flops <= _usual_flops(device)
    if is_short and peak_bytes < available_bytes(device):
        seconds, peak_bytes = trainee.time(batch)
        num_measured = len(batch)
    return FirstSteps(
        family=family,
        flops=trainee.flops,
        device=device,
        losses=losses,
        num_overfit=len(small),
        overfit_seconds=seconds_of_small * num_steps,
        batch_size=len(batch),
        num_measured=num_measured,
        seconds=seconds,
        peak_bytes=peak_bytes,
        loading_seconds=loading_seconds,
    )


def _fall(losses: Sequence[float]) -> float:
    """Return the lowest loss as a share of the first one.

    The share is 1 if the first loss is not finite, and 0 if there is no label to learn.
    """
    if not math.isfinite(losses[0]):
        return 1.0
    lowest = min(loss for loss in losses if math.isfinite(loss))
    return lowest / losses[0] if losses[0] > 0 else 0.0


def _small_batch(flops_per_sample: int, device: torch.device) -> tuple[int, int]:
    """Return the number of samples, and the number of steps on them: one if all would take too long."""
    num_samples = int(_usual_flops(device) / (_STEPS * flops_per_sample))
    num_samples = min(max(num_samples, _FEWEST_SAMPLES), _MOST_SAMPLES)
    return num_samples, _STEPS if _STEPS * num_samples * flops_per_sample <= _most_flops(device) else 1


def _usual_flops(device: torch.device) -> float:
    return _USUAL_FLOPS if device.type == "cpu" else _GPU_FACTOR * _USUAL_FLOPS


def _most_flops(device: torch.device) -> float:
    return _MOST_FLOPS if device.type == "cpu" else _GPU_FACTOR * _MOST_FLOPS


def _load_batch(plan: StudyPlan, data: MultiTaskData, size: int) -> tuple[Batch, float]:
    """Return the first ``size`` samples of the first epoch, and the seconds of reading them.

    If there are fewer samples, all are returned.
    """
    started = time.perf_counter()
    batch = next(iter(islice(epoch_batches(data.train, plan.tasks, batch_size=size, seed=0, epoch=0), 1)))
    return batch, time.perf_counter() - started
