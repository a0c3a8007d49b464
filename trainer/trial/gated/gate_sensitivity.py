"""Sensitivity of the loss to each gate: the first-order gain of a task from its own channels."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.trainer.data.dataset import Batch
from gatefront.trainer.loop.runtime import Runtime
from gatefront.trainer.losses import task_loss


def gate_sensitivity(
    network: InterroGateNetwork, batches: Iterable[Batch], tasks: Sequence[Task], *, runtime: Runtime
) -> tuple[Tensor, ...]:
    """Return ``-dL/dG`` ``[tasks, groups]`` per site, averaged over the batches; positive if opening lowers the loss.

    A gate selects ``s = G own + (1 - G) shared``, so this is ``-<dL/ds, own - shared>``, summed over the channels of a
    group. The network is in evaluation mode on the runtime's device and is not changed. Gates must not be frozen,
    because then not every branch runs.
    """
    gates = network.channel_gates()
    total = [torch.zeros_like(gate.alpha) for gate in gates]
    num_samples = 0
    for batch in batches:
        placed = runtime.place_batch(batch)
        num_samples += len(batch)
        predictions = network(placed.images)
        loss = torch.stack(
            [task.weight * task_loss(task, predictions[task.name], placed.labels[task.name]) for task in tasks]
        ).sum()
        for sums, gate, gradient in zip(
            total, gates, torch.autograd.grad(loss, [gate.alpha for gate in gates]), strict=True
        ):
            p = torch.sigmoid(gate.alpha.detach())
            # The straight-through estimator sets dG/dalpha = p (1 - p). This factor is divided out again.
            sums -= len(batch) * gradient / (p * (1 - p))
    return tuple(sums.cpu() / num_samples for sums in total)
