"""Metrics of saliency: means over images at 15 thresholds from 0.2 to 0.9. The best one counts."""

from abc import abstractmethod

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.metrics.metric import Metric


class _ThresholdSweep(Metric):
    """Sums of scores per threshold over the images that have labels."""

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
        scores = self._scores((found & salient).sum(dim=2), found.sum(dim=2), salient.sum(dim=1))
        labelled = valid.any(dim=1)
        self._sums = self._sums + scores[..., labelled].double().sum(dim=-1)
        self._count = self._count + labelled.sum()

    def compute(self) -> float:
        if int(self._count) == 0 or not isinstance(self._sums, Tensor):
            raise self._no_label()
        return 100 * self._best(self._sums / int(self._count))

    @abstractmethod
    def _scores(self, hits: Tensor, found: Tensor, salient: Tensor) -> Tensor:
        """Turn pixel counts ``[threshold, image]`` into scores ``[..., threshold, image]``.

        ``salient`` is ``[image]``, as it does not depend on the threshold.
        """

    @abstractmethod
    def _best(self, means: Tensor) -> float:
        """Return the one number that counts from mean scores ``[..., threshold]``."""


class SaliencyIou(_ThresholdSweep):
    """Intersection over union of salient pixels. An image where nothing is salient and nothing predicted scores 1."""

    label = "max mIoU %"

    def _scores(self, hits: Tensor, found: Tensor, salient: Tensor) -> Tensor:
        union = found + salient - hits
        return torch.where(union > 0, hits / union.clamp(min=1), 1.0)

    def _best(self, means: Tensor) -> float:
        return float(means.max())


class SaliencyF(_ThresholdSweep):
    """F-measure of mean precision and mean recall, as most papers print it.

    As in the public code, an image without predictions has precision 0, and one without salient pixels has recall 0.
    """

    label = "max F %"

    def _scores(self, hits: Tensor, found: Tensor, salient: Tensor) -> Tensor:
        return torch.stack([hits / found.clamp(min=1), hits / salient.clamp(min=1)])

    def _best(self, means: Tensor) -> float:
        precision, recall = means
        return float((2 * precision * recall / (precision + recall).clamp(min=1e-12)).max())
