"""Metrics of edges: the loss of the published tables, and an F-measure with a tolerance of position."""

import math

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.losses import balanced_edge_errors
from gatefront.trainer.metrics.edge_maps import highest_within, suppress_off_ridges
from gatefront.trainer.metrics.metric import MeanMetric, Metric


class BalancedEdgeLoss(MeanMetric):
    """Class-balanced cross-entropy on logits, edge weight 0.95: the "Edge" column of the published tables."""

    label = "balanced BCE"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return balanced_edge_errors(prediction, label)


class OptimalScaleF(Metric):
    """F-measure at the best of 99 thresholds, the same for the whole split (odsF, Martin et al. 2004).

    Predictions are first thinned to their ridges. At each threshold a predicted pixel is right if an edge lies within
    0.0075 of the image's diagonal. An edge pixel is found if a prediction lies within that distance. Both are pooled
    over the split. The Berkeley benchmark instead pairs pixels one to one, so that no edge pixel justifies two
    predictions. It gives lower scores, most of all if predictions are broken or double. Without any edge in the split
    the score is 0.
    """

    label = "odsF %"
    higher_is_better = True
    _TOLERANCE = 0.0075
    _NUM_THRESHOLDS = 99

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._counts: Tensor | int = 0
        self._num_known: Tensor | int = 0

    def update(self, prediction: Tensor, label: Tensor) -> None:
        # Unknown pixels are neither found nor missed, and do not suppress their neighbors.
        known = ~label[:, 0].isnan()
        edges = known & (label[:, 0] > 0.5)
        logits = torch.where(known, prediction[:, 0].float(), _NOWHERE)
        ridges = torch.where(known, suppress_off_ridges(logits), -torch.inf).sigmoid()
        radius = self._TOLERANCE * math.hypot(*edges.shape[-2:])
        near_edge = highest_within(edges.float(), radius) > 0
        near_ridge = highest_within(ridges, radius)
        found = [self._above_thresholds(values) for values in (ridges[near_edge], ridges, near_ridge[edges])]
        self._counts = self._counts + torch.stack([*found, edges.sum().expand_as(found[0])])
        self._num_known = self._num_known + known.sum()

    def compute(self) -> float:
        if int(self._num_known) == 0 or not isinstance(self._counts, Tensor):
            raise self._no_label()
        right, predicted, matched, edges = self._counts.double()
        precision, recall = right / predicted.clamp(min=1), matched / edges.clamp(min=1)
        return 100 * float((2 * precision * recall / (precision + recall).clamp(min=1e-12)).max())

    def _above_thresholds(self, probabilities: Tensor) -> Tensor:
        """Return how many probabilities exceed each of 0.01 to 0.99."""
        steps = self._NUM_THRESHOLDS + 1
        # The bin is the smallest i with p <= i / steps, so p exceeds the thresholds below it.
        bins = (probabilities.reshape(-1) * steps).ceil().long().clamp(0, steps)
        histogram = torch.bincount(bins, minlength=steps + 1)
        return histogram.flip(0).cumsum(0).flip(0)[2:]


_NOWHERE = -100.0
