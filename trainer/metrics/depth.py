"""Metrics of depth, pooled over the labelled pixels of a split."""

import math

from torch import Tensor

from trainer.metrics.metric import MeanMetric


class DepthRmse(MeanMetric):
    """Root mean squared error over all pixels of the split; predictions are clamped to depths above zero."""

    label = "RMSE m"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return (prediction.clamp(min=1e-9) - label.nan_to_num()).square(), ~label.isnan()

    def _finish(self, mean: float) -> float:
        return math.sqrt(mean)


class AbsoluteError(MeanMetric):
    """Mean of ``|prediction - label|``, in the label's unit: metres, or the disparity of Cityscapes."""

    label = "absolute error"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return (prediction - label.nan_to_num()).abs(), ~label.isnan()


class RelativeError(MeanMetric):
    """Mean of ``|prediction - label| / label``, in percent."""

    label = "relative error %"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        # Labels above zero: a depth of zero is a gap in every data set, so nothing is divided by it.
        known = label.nan_to_num(nan=1.0)
        return (prediction - known).abs() / known.abs().clamp(min=1e-9), ~label.isnan()

    def _finish(self, mean: float) -> float:
        return 100 * mean
