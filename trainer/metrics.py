"""One metric per task kind, pooled over every label of a data set: batches do not matter, gaps do not count."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from spaces.errors import GatefrontError
from spaces.tasks import Task, TaskKind
from trainer.data.dataset import IGNORE_INDEX
from trainer.losses import balanced_edge_errors


class NoValidLabelError(GatefrontError, ValueError):
    """A metric was asked for a value, and the data held no label for its task."""


class Metric(ABC):
    """Accumulates over batches. ``label`` is the metric's name with its unit, as people read it."""

    label: ClassVar[str]
    higher_is_better: ClassVar[bool]

    def __init__(self, task: Task) -> None:
        self._task = task

    @abstractmethod
    def update(self, prediction: Tensor, label: Tensor) -> None:
        """Adds one batch: the head's raw output and the labels, gaps marked as in :class:`trainer.data.Sample`."""

    @abstractmethod
    def compute(self) -> float:
        """The metric over everything added. Raises :class:`NoValidLabelError` if that held no label."""

    def _no_label(self) -> NoValidLabelError:
        return NoValidLabelError(
            f"task {self._task.name}: the split has no valid label, so {self.label} is undefined.",
            hint="Check the labels of this task, or leave the task out.",
        )


def metric_for(task: Task) -> Metric:
    """A fresh accumulator of the metric that scores the task."""
    return _METRICS[task.kind](task)


class _MeanMetric(Metric):
    """A mean over valid labels; subclasses say what is summed.

    Sums are float64: a large split has more pixels than float32 can count.
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
        """One value per label, and the mask of those that count."""

    @abstractmethod
    def _finish(self, mean: float) -> float: ...


class Accuracy(_MeanMetric):
    """Share of samples whose highest logit is the right class."""

    label = "accuracy %"
    higher_is_better = True

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return (prediction.argmax(dim=1) == label).float(), label != IGNORE_INDEX

    def _finish(self, mean: float) -> float:
        return 100 * mean


class DepthRmse(_MeanMetric):
    """Root mean squared error over all pixels of the split; predictions are clamped to depths above zero."""

    label = "RMSE m"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return (prediction.clamp(min=1e-9) - label.nan_to_num()).square(), ~label.isnan()

    def _finish(self, mean: float) -> float:
        return math.sqrt(mean)


class MeanAngle(_MeanMetric):
    """Angle between predicted and true normal, over all pixels of the split."""

    label = "mean angle deg"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        valid = ~label.isnan().any(dim=1)
        cosine = (F.normalize(prediction, dim=1) * F.normalize(label.nan_to_num(), dim=1)).sum(dim=1)
        return torch.rad2deg(torch.acos(cosine.clamp(-1, 1))), valid

    def _finish(self, mean: float) -> float:
        return mean


class BalancedEdgeLoss(_MeanMetric):
    """Class-balanced cross-entropy on logits, edge weight 0.95: the "Edge" column of the published tables.

    Unlike an F-measure it needs no threshold and no matching of thinned boundaries, for which there is no
    reference implementation in Python.
    """

    label = "balanced BCE"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return balanced_edge_errors(prediction, label)

    def _finish(self, mean: float) -> float:
        return mean


class MeanIou(Metric):
    """Mean over classes of intersection over union, from one confusion matrix of the whole split.

    A class that is neither in the labels nor predicted anywhere is left out of the mean; one that is predicted
    but never right counts as 0. (Some published code counts absent classes as 0 too, so that even perfect
    predictions of a subset score under 100 %.)
    """

    label = "mIoU %"
    higher_is_better = True

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
        confusion = self._confusion.double()
        intersection = confusion.diagonal()
        union = confusion.sum(dim=0) + confusion.sum(dim=1) - intersection
        return 100 * float((intersection / union)[union > 0].mean())


class SaliencyIou(Metric):
    """Intersection over union of the salient pixels, per image, then its mean; of 15 thresholds the best counts.

    The benchmarks report it so, thresholds 0.2 to 0.9. An image where nothing is salient and nothing found scores 1.
    """

    label = "max mIoU %"
    higher_is_better = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._sums: Tensor | float = 0.0
        self._count: Tensor | int = 0

    def update(self, prediction: Tensor, label: Tensor) -> None:
        thresholds = torch.linspace(0.2, 0.9, 15, device=prediction.device).view(-1, 1, 1)
        valid = ~label.isnan().flatten(1)
        salient = (label.flatten(1) > 0.5) & valid
        found = (prediction.float().sigmoid().flatten(1) > thresholds) & valid  # [threshold, image, pixel]
        intersection, union = (found & salient).sum(dim=2), (found | salient).sum(dim=2)
        iou = torch.where(union > 0, intersection / union.clamp(min=1), 1.0)
        labelled = valid.any(dim=1)
        self._sums = self._sums + iou[:, labelled].double().sum(dim=1)
        self._count = self._count + labelled.sum()

    def compute(self) -> float:
        if int(self._count) == 0 or not isinstance(self._sums, Tensor):
            raise self._no_label()
        return 100 * float(self._sums.max()) / int(self._count)


_METRICS: Mapping[TaskKind, Callable[[Task], Metric]] = {
    "classification": Accuracy,
    "segmentation": MeanIou,
    "depth": DepthRmse,
    "normals": MeanAngle,
    "edges": BalancedEdgeLoss,
    "saliency": SaliencyIou,
}
