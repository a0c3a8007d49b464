"""Largest network of one family that a study trains, and its first training steps."""

import time

import torch
from torch import nn

from gatefront.search.config.family import INTERROGATE, FamilyName
from gatefront.search.doctor.peak_memory import Peak, measure_peak
from gatefront.search.planning.capacities import list_layouts
from gatefront.search.planning.family_costs import dearest_settings, most_flops
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.spaces import InterroGateNetwork, build_gated_network, count_parameters
from gatefront.spaces.families import FamilyNetwork, build_family
from gatefront.trainer.data import Batch
from gatefront.trainer.loop.micro_batches import micro_batches
from gatefront.trainer.loop.runtime import Runtime, resolve_runtime
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.losses import task_loss

_OVERFIT_LEARNING_RATE = 1e-2
_TIMED_STEPS = 3
_BYTES_PER_PARAMETER = 4


class Trainee:
    """Network as trials train it, apart from the penalty on gates and the weighting.

    ``flops`` are those of a forward pass in training, ``parameter_bytes`` is the size of its weights. For LOMT it is
    the network before its layers are known, the largest that it can end with.
    """

    def __init__(self, plan: StudyPlan, family: FamilyName) -> None:
        train = plan.search_space.reference_train_config(epochs=1)
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

    def overfit(self, batch: Batch, num_steps: int) -> tuple[dict[str, tuple[float, ...]], float, Peak]:
        """Train repeatedly on one batch.

        Args:
            batch: the samples.
            num_steps: the number of steps. It does not depend on time, so a busy machine gives the same result.

        Returns:
            The losses of each task, one per step; the mean seconds of a step; the memory of the first step.
        """
        batch = self.runtime.place_batch(batch)
        losses: list[list[float]] = []
        started = time.perf_counter()
        peak = measure_peak(lambda: losses.append(self._step(batch)), self.runtime.device)
        while len(losses) < num_steps:
            losses.append(self._step(batch))
        seconds = (time.perf_counter() - started) / len(losses)
        by_task = zip((task.name for task in self._tasks), zip(*losses, strict=True), strict=True)
        return dict(by_task), seconds, peak

    def time(self, batch: Batch) -> tuple[float, int]:
        """Return the seconds of a step, and the most bytes held in one."""
        batch = self.runtime.place_batch(batch)
        peak = measure_peak(lambda: self._step(batch), self.runtime.device)
        started = time.perf_counter()
        for _ in range(_TIMED_STEPS):
            self._step(batch)
        return (time.perf_counter() - started) / _TIMED_STEPS, peak.highest

    def _step(self, batch: Batch) -> list[float]:
        """Take one step, and return the loss of each task before it."""
        self._optimizer.zero_grad()
        found = torch.zeros(len(self._tasks))
        for part, shares in micro_batches(batch, self.samples_at_once, self._tasks):
            with self.runtime.autocast():
                predictions = self._network(part.images)
            losses = [task_loss(task, predictions[task.name], part.labels[task.name]) for task in self._tasks]
            shared = shares * torch.stack(losses)
            shared.sum().backward()  # type: ignore[no-untyped-call]
            found += shared.detach().cpu()
        self._optimizer.step()
        return found.tolist()


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
