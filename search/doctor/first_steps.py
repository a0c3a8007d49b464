"""The first training steps of a study's largest network: can it learn, how long do they take, what do they hold?"""

import time
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from search.capacities import list_layouts
from search.doctor.check import Check
from search.doctor.peak_memory import Peak, available_bytes, measure_peak
from search.plan import StudyPlan
from search.sampling import reference_train_config
from spaces import build_gated_network, count_parameters
from trainer.data import Batch, MultiTaskData
from trainer.data.loader import epoch_batches
from trainer.losses import task_loss
from trainer.runtime import Runtime, resolve_runtime
from trainer.seeding import seed_everything

_OVERFIT_SAMPLES = 16
_OVERFIT_STEPS = 60
_OVERFIT_SECONDS = 60.0
_CPU_FLOPS_PER_STEP = 2e12  # forward; about a minute on one core
_OVERFIT_LEARNING_RATE = 1e-2
_LEARNED = 0.5  # of the first loss
_TIMED_STEPS = 3
_BYTES_PER_PARAMETER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSteps:
    """What was seen. ``losses`` are of a small batch of ``num_overfit`` samples.

    ``seconds`` and ``peak_bytes`` are of a step with the study's ``batch_size``: the time it takes, and the most that
    its process holds on the device. They are scaled up from the small batch where ``num_measured`` is smaller than
    the study's. ``loading_seconds`` is what reading that batch takes in one process.
    """

    device: torch.device
    losses: tuple[float, ...]
    num_overfit: int
    batch_size: int
    num_measured: int
    seconds: float
    peak_bytes: int
    loading_seconds: float

    def check_overfit(self) -> Check:
        """Passed if the loss fell, or nothing can be said in reasonable time."""
        first, last, count = self.losses[0], self.losses[-1], len(self.losses)
        detail = f"loss {first:.3f} to {last:.3f} in {count} steps on {self.num_overfit} samples"
        if count < _OVERFIT_STEPS:
            return Check("one-batch overfit", True, f"{detail}; {self.device} is too slow to tell")
        return Check("one-batch overfit", last < _LEARNED * first, detail)


def take_first_steps(plan: StudyPlan, data: MultiTaskData) -> FirstSteps:
    """Trains the largest gated network on one small batch, then takes a few steps with the study's batch size.

    The latter are left out where the small batch shows that they take too long or need more memory than there is.
    """
    trainee = _Trainee(plan)
    device = trainee.runtime.device
    small, _ = _load_batch(plan, data, _num_overfit_samples(plan.largest.training, device))
    losses, seconds, peak = trainee.overfit(small)
    batch, loading_seconds = _load_batch(plan, data, trainee.batch_size)
    factor = len(batch) / len(small)
    num_measured, seconds, peak_bytes = len(small), seconds * factor, peak.scaled(factor, parameter_bytes=trainee.bytes)
    if len(losses) == _OVERFIT_STEPS and peak_bytes < available_bytes(device):
        seconds, peak_bytes = trainee.time(batch)
        num_measured = len(batch)
    return FirstSteps(
        device=device,
        losses=tuple(losses),
        num_overfit=len(small),
        batch_size=len(batch),
        num_measured=num_measured,
        seconds=seconds,
        peak_bytes=peak_bytes,
        loading_seconds=loading_seconds,
    )


class _Trainee:
    """The largest network of a study, as trials train it, apart from the penalty on gates."""

    def __init__(self, plan: StudyPlan) -> None:
        train = reference_train_config(plan.config, epochs=1)
        torch.set_num_threads(train.num_threads)
        seed_everything(train.seed)
        self.batch_size = train.batch_size
        self.runtime: Runtime = resolve_runtime(train)
        network = build_gated_network(plan.largest.architecture, list_layouts(plan.config.gates)[0]).train()
        if train.checkpoint_activations:
            network.checkpoint_activations()
        self.runtime.place_network(network)
        self.bytes = _BYTES_PER_PARAMETER * count_parameters(network)
        self._network: nn.Module = network
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=_OVERFIT_LEARNING_RATE)
        self._tasks = plan.tasks

    def overfit(self, batch: Batch) -> tuple[list[float], float, Peak]:
        """The losses, the mean seconds of a step, and the memory of the first."""
        batch = self.runtime.place_batch(batch)
        losses: list[float] = []
        started = time.perf_counter()
        peak = measure_peak(lambda: losses.append(self._step(batch)), self.runtime.device)
        while len(losses) < _OVERFIT_STEPS and time.perf_counter() - started < _OVERFIT_SECONDS:
            losses.append(self._step(batch))
        return losses, (time.perf_counter() - started) / len(losses), peak

    def time(self, batch: Batch) -> tuple[float, int]:
        """Seconds of a step, and the most that is held in one."""
        batch = self.runtime.place_batch(batch)
        peak = measure_peak(lambda: self._step(batch), self.runtime.device)
        started = time.perf_counter()
        for _ in range(_TIMED_STEPS):
            self._step(batch)
        return (time.perf_counter() - started) / _TIMED_STEPS, peak.highest

    def _step(self, batch: Batch) -> float:
        self._optimizer.zero_grad()
        with self.runtime.autocast():
            predictions = self._network(batch.images)
        losses = [task_loss(task, predictions[task.name], batch.labels[task.name]) for task in self._tasks]
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return float(loss.detach())


def _num_overfit_samples(flops_per_sample: int, device: torch.device) -> int:
    if device.type != "cpu":
        return _OVERFIT_SAMPLES
    return max(1, min(_OVERFIT_SAMPLES, int(_CPU_FLOPS_PER_STEP / flops_per_sample)))


def _load_batch(plan: StudyPlan, data: MultiTaskData, size: int) -> tuple[Batch, float]:
    """The first ``size`` samples of the first epoch, or all where there are fewer, and the seconds of reading them."""
    started = time.perf_counter()
    batch = next(iter(islice(epoch_batches(data.train, plan.tasks, batch_size=size, seed=0, epoch=0), 1)))
    return batch, time.perf_counter() - started
