"""The metric of edges."""

from torch import Tensor

from trainer.losses import balanced_edge_errors
from trainer.metrics.metric import MeanMetric


class BalancedEdgeLoss(MeanMetric):
    """Class-balanced cross-entropy on logits, edge weight 0.95: the "Edge" column of the published tables.

    Unlike an F-measure it needs no threshold and no matching of thinned boundaries, for which there is no
    reference implementation in Python.
    """

    label = "balanced BCE"
    higher_is_better = False

    def _values(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        return balanced_edge_errors(prediction, label)
