"""Metrics of depth, pooled over the labeled pixels of a split."""

import math

import torch
from torch import Tensor

from gatefront.trainer.metrics.metric import MeanMetric


class DepthRmse(MeanMetric):
    """Root mean squared error over all labeled pixels of the split, in the label's unit.

    Predictions below 1e-9 count as 1e-9, as in the multi-task survey's published protocol, because nothing lies behind
    the camera. The other two metrics use predictions unchanged, as the public code of LibMTL and MTAN does.
    """

    _NEAREST = 1e-9

    label = "RMSE m"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return (prediction.clamp(min=self._NEAREST) - label.nan_to_num()).square(), ~label.isnan()

    def _finish(self, mean: float) -> float:
        return math.sqrt(mean)


class AbsoluteError(MeanMetric):
    """Mean of ``|prediction - label|``, in the label's unit: meters, or the disparity of Cityscapes."""

    label = "absolute error"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return (prediction - label.nan_to_num()).abs(), ~label.isnan()


class RelativeError(MeanMetric):
    """Mean of ``|prediction - label| / label``, in percent, over labels above 0."""

    label = "relative error %"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        # A disparity of 0 is infinitely far, so it has no relative error. NaN is not above 0 either.
        valid = label > 0
        known = torch.where(valid, label, 1.0)
        return (prediction - known).abs() / known, valid

    def _finish(self, mean: float) -> float:
        return 100 * mean
