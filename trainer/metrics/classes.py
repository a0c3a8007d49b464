"""Metrics of tasks with classes, per image or per pixel, from a confusion matrix."""

from abc import abstractmethod

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import IGNORE_INDEX
from gatefront.trainer.metrics.metric import MeanMetric, Metric, MetricError


class Accuracy(MeanMetric):
    """Share of samples whose highest logit is the right class."""

    label = "accuracy %"
    higher_is_better = True

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return (prediction.argmax(dim=1) == label).float(), label != IGNORE_INDEX

    def _finish(self, mean: float) -> float:
        return 100 * mean


class PixelAccuracy(Accuracy):
    """Share of labeled pixels whose highest logit is the right class."""

    label = "pixel accuracy %"


class _ConfusionMetric(Metric):
    """Counts of pairs of true (row) and predicted (column) class over the whole split."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._confusion: Tensor | int = 0

    def update(self, prediction: Tensor, label: Tensor) -> None:
        valid = label != IGNORE_INDEX
        classes = self._task.num_outputs
        pairs = label[valid] * classes + prediction.argmax(dim=1)[valid]
        self._confusion = self._confusion + torch.bincount(pairs, minlength=classes**2).view(classes, classes)

    def compute(self) -> float:
        if not isinstance(self._confusion, Tensor) or int(self._confusion.sum()) == 0:
            raise self._no_label()
        return 100 * self._score(self._confusion.double())

    @abstractmethod
    def _score(self, confusion: Tensor) -> float:
        """Return the score of a matrix ``[classes, classes]``, in 0..1."""


class BinaryF1(_ConfusionMetric):
    """F1 of class 1 of two, which accuracy hides if that class is rare. It is 0 if the class is nowhere."""

    label = "F1 %"
    higher_is_better = True

    def __init__(self, task: Task) -> None:
        if task.num_outputs != 2:
            raise MetricError(
                f"task {task.name}: the metric f1 is for two classes, it has {task.num_outputs}.",
                hint="Use accuracy.",
            )
        super().__init__(task)

    def _score(self, confusion: Tensor) -> float:
        hits = 2 * confusion[1, 1]
        return float(hits / (hits + confusion[0, 1] + confusion[1, 0]).clamp(min=1))


class MeanIou(_ConfusionMetric):
    """Intersection over union, averaged over classes, from one confusion matrix of the whole split.

    A class that is neither labeled nor predicted anywhere is left out of the mean. A class that is predicted but never
    right counts as 0.
    """

    label = "mIoU %"
    higher_is_better = True

    def _score(self, confusion: Tensor) -> float:
        intersection, union = _intersection_and_union(confusion)
        return float((intersection / union)[union > 0].mean())


class MeanIouOfAllClasses(_ConfusionMetric):
    """:class:`MeanIou` in the multi-task survey's definition, where a class that occurs nowhere counts as 0.

    On a subset without some class even perfect predictions do not reach 100 %.
    """

    label = "mIoU % of all classes"
    higher_is_better = True

    def _score(self, confusion: Tensor) -> float:
        intersection, union = _intersection_and_union(confusion)
        return float((intersection / union.clamp(min=1)).mean())


def _intersection_and_union(confusion: Tensor) -> tuple[Tensor, Tensor]:
    intersection = confusion.diagonal()
    return intersection, confusion.sum(dim=0) + confusion.sum(dim=1) - intersection
