"""Distillation: a training against labels and, at the same time, against the outputs of teachers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import Batch
from gatefront.trainer.losses import distillation_loss


class Teachers(Protocol):
    """Trained networks whose outputs a training follows."""

    def add_outputs(self, batch: Batch, indices: Sequence[int]) -> Batch:
        """Return the batch, placed on its device, with the raw outputs of every teacher.

        ``indices`` are the places of its samples in the training split.
        """
        ...

    def running_cost(self, num_samples: int) -> float:
        """Return the FLOPs that teachers compute while a training sees so many samples."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """Teachers of a training, the share of their loss in each task's, and the temperature of its logits."""

    teachers: Teachers
    weight: float
    temperature: float

    def mix(self, task: Task, label_loss: Tensor, prediction: Tensor, teacher: Tensor, share: float) -> Tensor:
        """Return ``(1 - weight) label_loss + weight share distillation_loss``.

        Args:
            task: the task of the losses.
            label_loss: its loss against the labels.
            prediction: the raw outputs of its head.
            teacher: the raw outputs of its teacher, on all samples, with a label or not.
            share: the part's share of the batch's samples.
        """
        soft = distillation_loss(task, prediction, teacher, self.temperature)
        return (1 - self.weight) * label_loss + self.weight * share * soft
