"""Micro-batches: parts of a batch that is too large for memory, which add up to its gradient."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import Batch
from gatefront.trainer.losses import count_labels


def micro_batches(batch: Batch, size: int, tasks: Sequence[Task]) -> Iterator[tuple[Batch, Tensor]]:
    """Yield parts of at most ``size`` samples, each with its share ``[tasks]`` of the batch's labels.

    Losses are means over labels. The losses of the parts times these shares sum to the loss of the batch. If a loss or
    a layer depends on the whole batch (class balance of saliency, batch norm), it depends on the part instead.
    """
    parts = split_batch(batch, size)
    if len(parts) == 1:
        yield batch, torch.ones(len(tasks), device=batch.images.device)
        return
    counts = torch.stack([_count(part, tasks) for part in parts])
    yield from zip(parts, counts / counts.sum(dim=0).clamp(min=1), strict=True)


def split_batch(batch: Batch, size: int) -> tuple[Batch, ...]:
    """Split the batch into parts of ``size`` samples. The last may be smaller."""
    if len(batch) <= size:
        return (batch,)
    return tuple(
        Batch(
            images=batch.images[start : start + size],
            labels={name: labels[start : start + size] for name, labels in batch.labels.items()},
            teacher_outputs={name: one[start : start + size] for name, one in batch.teacher_outputs.items()},
        )
        for start in range(0, len(batch), size)
    )


def _count(part: Batch, tasks: Sequence[Task]) -> Tensor:
    return torch.stack([count_labels(task, part.labels[task.name]) for task in tasks])
