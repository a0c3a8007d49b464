"""One loss per task kind, the mean over the labels that are there."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.data.dataset import IGNORE_INDEX

EDGE_POSITIVE_WEIGHT = 0.95
"""Weight of edge pixels against the rest (HED, Xie and Tu 2015, as the multi-task benchmarks fix it)."""


def task_loss(task: Task, prediction: Tensor, label: Tensor) -> Tensor:
    """The task's loss on one batch, a float32 scalar; zero, with zero gradient, if no label is there.

    ``prediction`` is what the head emits, raw; ``label`` is shaped as :class:`gatefront.trainer.data.Sample` says.
    """
    return _LOSSES[task.kind](prediction.float(), label)


def count_labels(task: Task, label: Tensor) -> Tensor:
    """How many labels :func:`task_loss` takes the mean of; 0 if there is none."""
    valid = label != IGNORE_INDEX if task.kind in _COUNTED_CLASSES else ~label.isnan()
    return valid.sum()


def balanced_edge_errors(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Class-balanced cross-entropy per pixel, zero where no label is, and the mask of labelled pixels."""
    valid = ~label.isnan()
    target = label.nan_to_num()
    weight = torch.where(target > 0.5, EDGE_POSITIVE_WEIGHT, 1 - EDGE_POSITIVE_WEIGHT)
    errors = F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return torch.where(valid, errors, 0.0), valid


_COUNTED_CLASSES: tuple[TaskKind, ...] = ("classification", "segmentation")


def _cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    total = F.cross_entropy(logits, label, ignore_index=IGNORE_INDEX, reduction="sum")
    return total / _count(label != IGNORE_INDEX)


def _attributes(logits: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over all attributes that are known."""
    valid = ~label.isnan()
    errors = F.binary_cross_entropy_with_logits(logits, label.nan_to_num(), reduction="none")
    return torch.where(valid, errors, 0.0).sum() / _count(valid)


def _depth(prediction: Tensor, label: Tensor) -> Tensor:
    """L1 in metres."""
    return _masked_l1(prediction, label)


def _normals(prediction: Tensor, label: Tensor) -> Tensor:
    """L1 between unit vectors, per component."""
    return _masked_l1(F.normalize(prediction, dim=1), label)


def _edges(logits: Tensor, label: Tensor) -> Tensor:
    errors, valid = balanced_edge_errors(logits, label)
    return errors.sum() / _count(valid)


def _saliency(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy with both classes of equal weight in the batch (HED, as for edges, but counted and not fixed)."""
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
    "classification": _cross_entropy,
    "multilabel": _attributes,
    "segmentation": _cross_entropy,
    "depth": _depth,
    "normals": _normals,
    "edges": _edges,
    "saliency": _saliency,
}
