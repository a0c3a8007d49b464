"""Losses against labels, by kind of task. Each is the mean over the existing labels."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.data.dataset import IGNORE_INDEX

EDGE_POSITIVE_WEIGHT = 0.95
"""Weight of edge pixels against all others (HED, Xie and Tu 2015), as the multi-task benchmarks fix it."""


def task_loss(task: Task, prediction: Tensor, label: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return the task's loss on one batch, a float32 scalar. Without any label it is zero, with zero gradient.

    Args:
        task: the task of both.
        prediction: the raw output of the head.
        label: the label, of the shape that :class:`gatefront.trainer.data.Sample` states.
        smoothing: the share of each class label, or attribute, that is spread evenly over all classes, or yes and no
            (Szegedy et al. 2016, section 7). Other kinds have none.
    """
    if task.kind in _COUNTED_CLASSES:
        return _cross_entropy(prediction.float(), label, smoothing)
    if task.kind == "multilabel":
        return _attributes(prediction.float(), label, smoothing)
    return _LOSSES[task.kind](prediction.float(), label)


def count_labels(task: Task, label: Tensor) -> Tensor:
    """Return the number of labels that :func:`task_loss` averages over."""
    valid = label != IGNORE_INDEX if task.kind in _COUNTED_CLASSES else ~label.isnan()
    return valid.sum()


def balanced_edge_errors(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class-balanced cross-entropy per pixel, zero without a label, and the mask of labeled pixels."""
    valid = ~label.isnan()
    target = label.nan_to_num()
    weight = torch.where(target > 0.5, EDGE_POSITIVE_WEIGHT, 1 - EDGE_POSITIVE_WEIGHT)
    errors = F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return torch.where(valid, errors, 0.0), valid


_COUNTED_CLASSES: tuple[TaskKind, ...] = ("classification", "segmentation")


def _cross_entropy(logits: Tensor, label: Tensor, smoothing: float) -> Tensor:
    total = F.cross_entropy(logits, label, ignore_index=IGNORE_INDEX, reduction="sum", label_smoothing=smoothing)
    return total / _count(label != IGNORE_INDEX)


def _attributes(logits: Tensor, label: Tensor, smoothing: float) -> Tensor:
    """Return the binary cross-entropy, averaged over all known attributes."""
    valid = ~label.isnan()
    target = (1 - smoothing) * label.nan_to_num() + smoothing / 2
    errors = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return torch.where(valid, errors, 0.0).sum() / _count(valid)


def _depth(prediction: Tensor, label: Tensor) -> Tensor:
    """Return the L1 error in meters."""
    return _masked_l1(prediction, label)


def _normals(prediction: Tensor, label: Tensor) -> Tensor:
    """Return the L1 error between unit vectors, per component."""
    return _masked_l1(F.normalize(prediction, dim=1), label)


def _edges(logits: Tensor, label: Tensor) -> Tensor:
    errors, valid = balanced_edge_errors(logits, label)
    return errors.sum() / _count(valid)


def _saliency(logits: Tensor, label: Tensor) -> Tensor:
    """Return the cross-entropy with both classes of equal weight, by their counts in the batch as in HED."""
    valid = ~label.isnan()
    target = label.nan_to_num()
    share = (target > 0.5).sum() / _count(valid)
    weight = torch.where(target > 0.5, 1 - share, share)
    errors = F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return torch.where(valid, errors, 0.0).sum() / _count(valid)


def _masked_l1(prediction: Tensor, label: Tensor) -> Tensor:
    valid = ~label.isnan()
    errors = torch.where(valid, (prediction - label.nan_to_num()).abs(), 0.0)
    return errors.sum() / _count(valid)


def _count(valid: Tensor) -> Tensor:
    # At least one, so that a batch without labels gives 0 / 1 instead of NaN.
    return valid.sum().clamp(min=1)


_LOSSES: Mapping[TaskKind, Callable[[Tensor, Tensor], Tensor]] = {
    "depth": _depth,
    "normals": _normals,
    "edges": _edges,
    "saliency": _saliency,
}
