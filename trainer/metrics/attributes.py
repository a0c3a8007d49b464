"""Metrics of several yes-or-no attributes: each attribute is scored separately, then the scores are averaged."""

from abc import abstractmethod

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.metrics.metric import Metric


class _AttributeMetric(Metric):
    """Counts of right and wrong answers per attribute. The answer is yes if the logit is above 0."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._counts: Tensor | int = 0

    def update(self, prediction: Tensor, label: Tensor) -> None:
        valid, found, true = ~label.isnan(), prediction > 0, label > 0.5
        outcomes = (found & true, ~found & ~true, found & ~true, ~found & true)
        self._counts = self._counts + torch.stack([(outcome & valid).sum(dim=0) for outcome in outcomes])

    def compute(self) -> float:
        if not isinstance(self._counts, Tensor) or int(self._counts.sum()) == 0:
            raise self._no_label()
        counts = self._counts.double()
        hits, rejections, false_alarms, misses = counts[:, counts.sum(dim=0) > 0]  # attributes that have labels
        return 100 * float(self._scores(hits, rejections, false_alarms, misses).mean())

    @abstractmethod
    def _scores(self, hits: Tensor, rejections: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        """Return one score in 0..1 per attribute."""


class AttributeAccuracy(_AttributeMetric):
    """Share of samples with the right answer, averaged over attributes: CelebA's "average accuracy"."""

    label = "mean accuracy %"
    higher_is_better = True

    def _scores(self, hits: Tensor, rejections: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        return (hits + rejections) / (hits + rejections + false_alarms + misses)


class AttributeF1(_AttributeMetric):
    """F1 of "yes", averaged over attributes. It is 0 for an attribute that neither occurs nor is predicted."""

    label = "mean F1 %"
    higher_is_better = True

    def _scores(self, hits: Tensor, rejections: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
        return 2 * hits / (2 * hits + false_alarms + misses).clamp(min=1)
