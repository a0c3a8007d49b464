"""Losses against the outputs of a teacher, by kind of task. A teacher has an output everywhere, so nothing is masked.

Hinton et al., "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531), for outputs that are logits.
"""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional as F

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.losses.task_losses import EDGE_POSITIVE_WEIGHT


def distillation_loss(task: Task, prediction: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the loss of one batch against the teacher's outputs, a float32 scalar; zero where both agree.

    Logits give the Kullback-Leibler divergence of softened probabilities times ``temperature ** 2``, which keeps the
    size of gradients (Hinton et al. 2015, section 2). Depth and normals give the L1 error of their task losses, and
    have no temperature.

    Args:
        task: the task of both outputs.
        prediction: raw outputs of the student's head, ``[batch, outputs, ...]``.
        teacher: raw outputs of the teacher's head, of the same shape.
        temperature: divides logits; above 1 it softens probabilities.
    """
    return _LOSSES[task.kind](prediction.float(), teacher.float(), temperature)


def _classes(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the mean over samples, or over pixels, of ``T^2 KL(teacher || student)``."""
    student, target = (F.log_softmax(outputs / temperature, dim=1) for outputs in (logits, teacher))
    divergence = F.kl_div(student, target, reduction="none", log_target=True).sum(dim=1)
    return temperature**2 * divergence.mean()


def _attributes(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    return _binary_divergence(logits, teacher, temperature).mean()


def _edges(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the divergence, weighted as the balanced cross-entropy weighs a pixel of this probability.

    That loss weighs edges by ``b`` and others by ``1 - b``, so that a teacher's probability p stands for a label that
    is an edge with probability ``(1 - b) p / (b (1 - p) + (1 - b) p)``. The balanced loss against such a label is the
    plain one against p, times ``b (1 - b) / (b (1 - p) + (1 - b) p)``.
    """
    b, p = EDGE_POSITIVE_WEIGHT, (teacher / temperature).sigmoid()
    weight = b * (1 - b) / (b * (1 - p) + (1 - b) * p)
    return (weight * _binary_divergence(logits, teacher, temperature)).mean()


def _saliency(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return half the divergence: the task loss weighs both classes alike, with one half on average at most."""
    return _binary_divergence(logits, teacher, temperature).mean() / 2


def _depth(prediction: Tensor, teacher: Tensor, _temperature: float) -> Tensor:
    return F.l1_loss(prediction, teacher)


def _normals(prediction: Tensor, teacher: Tensor, _temperature: float) -> Tensor:
    """Return the L1 error between unit vectors, per component."""
    return F.l1_loss(F.normalize(prediction, dim=1), F.normalize(teacher, dim=1))


def _binary_divergence(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return ``T^2 KL(teacher || student)`` of each output as the probability of yes."""
    z, t = logits / temperature, teacher / temperature
    p = t.sigmoid()
    divergence = p * (F.logsigmoid(t) - F.logsigmoid(z)) + (1 - p) * (F.logsigmoid(-t) - F.logsigmoid(-z))
    return temperature**2 * divergence


_LOSSES: Mapping[TaskKind, Callable[[Tensor, Tensor, float], Tensor]] = {
    "classification": _classes,
    "multilabel": _attributes,
    "segmentation": _classes,
    "depth": _depth,
    "normals": _normals,
    "edges": _edges,
    "saliency": _saliency,
}
