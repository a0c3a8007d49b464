"""Metrics of surface normals: angles between predicted and true ones, over all labeled pixels of a split."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.metrics.metric import MeanMetric, Metric


def angles(prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Return degrees ``[batch, h, w]``, independent of the prediction's length, and the mask of labeled pixels."""
    valid = ~label.isnan().any(dim=1)
    cosine = (F.normalize(prediction, dim=1) * F.normalize(label.nan_to_num(), dim=1)).sum(dim=1)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1))), valid


class MeanAngle(MeanMetric):
    """Mean angle between predicted and true normal, over all pixels of the split."""

    label = "mean angle deg"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return angles(prediction, label)


class _WithinAngle(MeanMetric):
    higher_is_better = True
    _limit: ClassVar[float]

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        degrees, valid = angles(prediction, label)
        return (degrees < self._limit).float(), valid

    def _finish(self, mean: float) -> float:
        return 100 * mean


class Within11(_WithinAngle):
    """Share of pixels less than 11.25 degrees off."""

    label = "within 11.25 deg %"
    _limit = 11.25


class Within22(_WithinAngle):
    """Share of pixels less than 22.5 degrees off."""

    label = "within 22.5 deg %"
    _limit = 22.5


class Within30(_WithinAngle):
    """Share of pixels less than 30 degrees off."""

    label = "within 30 deg %"
    _limit = 30.0


class MedianAngle(Metric):
    """Median angle, from a histogram in steps of 0.01 degrees, as a split has too many pixels to store."""

    label = "median angle deg"
    higher_is_better = False
    _STEPS_PER_DEGREE = 100

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._histogram: Tensor | int = 0

    def update(self, prediction: Tensor, label: Tensor) -> None:
        degrees, valid = angles(prediction.float(), label)
        # A prediction that is NaN counts as the worst angle.
        steps = (self._STEPS_PER_DEGREE * degrees[valid].nan_to_num(nan=180.0)).long()
        self._histogram = self._histogram + torch.bincount(steps, minlength=180 * self._STEPS_PER_DEGREE + 1)

    def compute(self) -> float:
        if not isinstance(self._histogram, Tensor) or int(self._histogram.sum()) == 0:
            raise self._no_label()
        below = self._histogram.cumsum(dim=0)
        middle = int((2 * below < below[-1]).sum())
        return (middle + 0.5) / self._STEPS_PER_DEGREE
