"""Metric of the best constant prediction, the score of a network that ignores its image."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.data.dataset import IGNORE_INDEX
from gatefront.trainer.losses import EDGE_POSITIVE_WEIGHT
from gatefront.trainer.metrics.registry import metric_for

_DRAWN_PER_BATCH = 4096  # of the depths in a batch: enough for a quantile
_QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5)  # the median for the absolute error, a lower one for the relative error
_SURE = 9.0  # a logit that is above every threshold

Labels = Callable[[], Iterable[Tensor]]
"""Function that starts an iteration over the labels of a split, in batches. Two iterations are equal."""


def constant_metric(task: Task, labels: Labels) -> float:
    """Score the best of a few constant predictions, the same for every image and pixel.

    The candidates are those that the metrics of the kind reward. For classes they are the most frequent class, or each
    of two. For attributes they are the more frequent answer to each, or yes. For depth they are its mean or a low
    quantile. For normals it is the mean normal, and for edges the share of edges. For saliency everything or nothing is
    salient.

    Args:
        task: the task, scored by its own metric.
        labels: the labels of the split that the metric is measured on.

    Returns:
        The metric, in its own unit.

    Raises:
        NoValidLabelError: the split has no label of the task.
    """
    candidates = _CANDIDATES[task.kind](task, labels())
    metrics = [metric_for(task) for _ in candidates]
    for label in labels():
        for candidate, metric in zip(candidates, metrics, strict=True):
            metric.update(_everywhere(candidate, label, task), label)
    best = max if metric_for(task).higher_is_better else min
    return best(metric.compute() for metric in metrics)


def _everywhere(candidate: Tensor, label: Tensor, task: Task) -> Tensor:
    """Return ``[channels]`` as the prediction of every sample, ``[batch, channels, ...]``."""
    size = label.shape[-2:] if task.is_dense else ()
    return candidate.view(1, -1, *[1] * len(size)).expand(len(label), -1, *size)


def _classes(task: Task, labels: Iterable[Tensor]) -> list[Tensor]:
    counts = torch.zeros(task.num_outputs, dtype=torch.int64)
    for label in labels:
        counts += torch.bincount(label[label != IGNORE_INDEX].flatten(), minlength=task.num_outputs)
    # The F1 of the second of two classes rewards that class even if it is rare.
    chosen = [0, 1] if task.num_outputs == 2 else [int(counts.argmax())]
    return [F.one_hot(torch.tensor(number), task.num_outputs).float() for number in chosen]


def _attributes(task: Task, labels: Iterable[Tensor]) -> list[Tensor]:
    yes, known = torch.zeros(task.num_outputs), torch.zeros(task.num_outputs)
    for label in labels:
        yes += label.nan_to_num().sum(dim=0)
        known += (~label.isnan()).sum(dim=0)
    return [torch.where(2 * yes > known, 1.0, -1.0), torch.ones(task.num_outputs)]


def _depths(task: Task, labels: Iterable[Tensor]) -> list[Tensor]:
    total, count = 0.0, 0
    drawn = [torch.zeros(0)]
    for label in labels:
        known = label[~label.isnan()]
        total, count = total + float(known.double().sum()), count + len(known)
        drawn.append(known[:: max(1, len(known) // _DRAWN_PER_BATCH)][:_DRAWN_PER_BATCH])
    values = torch.cat(drawn).sort().values
    if count == 0:
        return [torch.zeros(1)]
    return [torch.tensor([total / count]), *(values[int(q * (len(values) - 1))].view(1) for q in _QUANTILES)]


def _normals(task: Task, labels: Iterable[Tensor]) -> list[Tensor]:
    total = torch.zeros(3, dtype=torch.float64)
    for label in labels:
        total += label.nan_to_num().double().sum(dim=(0, 2, 3))
    return [total.float()]


def _edges(task: Task, labels: Iterable[Tensor]) -> list[Tensor]:
    edges, known = 0, 0
    for label in labels:
        edges, known = edges + int((label > 0.5).sum()), known + int((~label.isnan()).sum())
    share = edges / max(known, 1)
    positive, negative = EDGE_POSITIVE_WEIGHT * share, (1 - EDGE_POSITIVE_WEIGHT) * (1 - share)
    return [torch.tensor([math.log(max(positive, 1e-12) / max(negative, 1e-12))])]


def _saliency(task: Task, labels: Iterable[Tensor]) -> list[Tensor]:
    return [torch.tensor([_SURE]), torch.tensor([-_SURE])]


_CANDIDATES: Mapping[TaskKind, Callable[[Task, Iterable[Tensor]], list[Tensor]]] = {
    "classification": _classes,
    "multilabel": _attributes,
    "segmentation": _classes,
    "depth": _depths,
    "normals": _normals,
    "edges": _edges,
    "saliency": _saliency,
}
