"""Base classes of metrics, which accumulate over batches and return one number at the end."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import GatefrontError


class MetricError(GatefrontError, ValueError):
    """Error for a task whose metric does not exist or does not score tasks of its kind."""


class NoValidLabelError(GatefrontError, ValueError):
    """Error for a metric without a value, because the data hold no label of its task."""


class Metric(ABC):
    """Accumulator over batches. ``label`` is the metric's name with its unit, as people read it."""

    label: ClassVar[str]
    higher_is_better: ClassVar[bool]

    def __init__(self, task: Task) -> None:
        self._task = task

    @abstractmethod
    def update(self, prediction: Tensor, label: Tensor) -> None:
        """Add one batch: raw outputs of the head, and labels with gaps (:class:`gatefront.trainer.data.Sample`)."""

    @abstractmethod
    def compute(self) -> float:
        """Return the metric over all batches. Raise :class:`NoValidLabelError` if they held no label."""

    def _no_label(self) -> NoValidLabelError:
        return NoValidLabelError(
            f"task {self._task.name}: the split has no valid label, so {self.label} is undefined.",
            hint="Check the labels of this task, or leave the task out.",
        )


class MeanMetric(Metric):
    """Mean over valid labels. Subclasses define the values to sum.

    Sums are float64, as a large split has more pixels than float32 can count.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._sum: Tensor | float = 0.0
        self._count: Tensor | int = 0

    def update(self, prediction: Tensor, label: Tensor) -> None:
        values, valid = self._values(prediction.float(), label)
        self._sum = self._sum + torch.where(valid, values, 0.0).double().sum()
        self._count = self._count + valid.sum()

    def compute(self) -> float:
        if int(self._count) == 0:
            raise self._no_label()
        return self._finish(float(self._sum) / int(self._count))

    @abstractmethod
    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return one value per label, and the mask of those that count."""

    def _finish(self, mean: float) -> float:
        return mean
