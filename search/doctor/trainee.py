"""The largest network that a study trains of one family, and its first training steps."""

import time

import torch
from torch import nn

from search.capacities import list_layouts
from search.doctor.peak_memory import Peak, measure_peak
from search.family_cost import dearest_settings, most_flops
from search.family_section import INTERROGATE, FamilyName
from search.plan import StudyPlan
from search.sampling import reference_train_config
from spaces import InterroGateNetwork, build_gated_network, count_parameters
from spaces.families import FamilyNetwork, build_family
from trainer.data import Batch
from trainer.losses import task_loss
from trainer.micro_batches import micro_batches
from trainer.runtime import Runtime, resolve_runtime
from trainer.seeding import seed_everything

OVERFIT_STEPS = 60
_OVERFIT_SECONDS = 60.0
_OVERFIT_LEARNING_RATE = 1e-2
_TIMED_STEPS = 3
_BYTES_PER_PARAMETER = 4


class Trainee:
    """The network as trials train it, apart from the penalty on gates and the weighting.

    ``flops`` are those of a forward pass in training, ``parameter_bytes`` the size of its weights. Of LOMT it is the
    network before its layers are known, the largest that it can end with.
    """

    def __init__(self, plan: StudyPlan, family: FamilyName) -> None:
        train = reference_train_config(plan.config, epochs=1)
        torch.set_num_threads(train.num_threads)
        seed_everything(train.seed)
        self.batch_size = train.batch_size
        self.samples_at_once = train.samples_at_once
        self.flops = _training_flops(plan, family)
        self.runtime: Runtime = resolve_runtime(train)
        self._network = _build(plan, family, recompute=train.checkpoint_activations).train()
        self.runtime.place_network(self._network)
        self.parameter_bytes = _BYTES_PER_PARAMETER * count_parameters(self._network)
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=_OVERFIT_LEARNING_RATE)
        self._tasks = plan.tasks

    def overfit(self, batch: Batch) -> tuple[list[float], float, Peak]:
        """The losses, the mean seconds of a step, and the memory of the first."""
        batch = self.runtime.place_batch(batch)
        losses: list[float] = []
        started = time.perf_counter()
        peak = measure_peak(lambda: losses.append(self._step(batch)), self.runtime.device)
        while len(losses) < OVERFIT_STEPS and time.perf_counter() - started < _OVERFIT_SECONDS:
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
        total = 0.0
        for part, shares in micro_batches(batch, self.samples_at_once, self._tasks):
            with self.runtime.autocast():
                predictions = self._network(part.images)
            losses = [task_loss(task, predictions[task.name], part.labels[task.name]) for task in self._tasks]
            loss = (shares * torch.stack(losses)).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        self._optimizer.step()
        return total


def _training_flops(plan: StudyPlan, family: FamilyName) -> int:
    if family == INTERROGATE:
        return plan.largest.training
    return most_flops(plan.config.family, family, plan.largest)


def _build(plan: StudyPlan, family: FamilyName, *, recompute: bool) -> nn.Module:
    architecture, config = plan.largest.architecture, plan.config
    network: InterroGateNetwork | FamilyNetwork
    if family == INTERROGATE:
        network = build_gated_network(architecture, list_layouts(config.gates)[0])
    else:
        network = build_family(family, architecture, dearest_settings(config.family, family))
    if recompute:
        network.checkpoint_activations()
    return network
