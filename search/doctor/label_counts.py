"""LabelCounts: statistics of one task's labels over samples of one split."""

import math

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX
from gatefront.trainer.data.labelled import has_label

_UNIT_TOLERANCE = 0.01


class LabelCounts:
    """Statistics of labels, to which samples are added one at a time.

    ``num_samples`` and ``num_labelled`` count samples. ``num_values`` counts the values of labeled samples, and
    ``num_foreign`` the values that a label of this kind cannot hold. ``first_labelled`` and ``first_foreign`` are the
    indices of the first samples with a label and with such a value. ``first_not_unit`` is the index of the first sample
    with a normal whose length is not 1.

    Per output, ``known`` counts the values that are marked as known, and ``found`` those of that class. For edges,
    saliency and attributes, ``found`` counts *yes*. ``low`` and ``high`` bound the finite values of depth and normals,
    ``shortest`` and ``longest`` the lengths of normals.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.num_samples = self.num_labelled = self.num_values = self.num_foreign = 0
        self.first_labelled: int | None = None
        self.first_foreign: int | None = None
        self.first_not_unit: int | None = None
        self.known = torch.zeros(task.num_outputs, dtype=torch.int64)
        self.found = torch.zeros(task.num_outputs, dtype=torch.int64)
        self.low, self.high = math.inf, -math.inf
        self.shortest, self.longest = math.inf, -math.inf
        self._sum = 0.0

    def add(self, label: Tensor | None, index: int = 0) -> None:
        """Count the label of the sample ``index``, as :class:`gatefront.trainer.data.Sample` has it."""
        self.num_samples += 1
        if label is None or not has_label(label):
            return
        if self.first_labelled is None:
            self.first_labelled = index
        self.num_labelled += 1
        self.num_values += label.numel()
        foreign_before = self.num_foreign
        self._add_values(label)
        if self.first_foreign is None and self.num_foreign > foreign_before:
            self.first_foreign = index
        is_unit = max(abs(self.shortest - 1), abs(self.longest - 1)) <= _UNIT_TOLERANCE
        if self.first_not_unit is None and self.longest >= 0 and not is_unit:
            self.first_not_unit = index

    def _add_values(self, label: Tensor) -> None:
        if self.task.kind in ("classification", "segmentation"):
            self._add_classes(label)
        elif self.task.kind in ("depth", "normals"):
            self._add_measures(label)
        else:
            self._add_answers(label)

    @property
    def share_known(self) -> float:
        """Share of the labeled samples' values that are known. The rest is marked as unknown."""
        return int(self.known.sum()) / max(self.num_values, 1)

    @property
    def mean(self) -> float:
        """Mean of the finite values of depth and normals."""
        return self._sum / max(int(self.known.sum()) - self.num_foreign, 1)

    def shares(self) -> list[float]:
        """Return one share per output.

        The share of a single class is among all known values. The share of *yes* is among the known values of its
        output.
        """
        if self.task.kind in ("classification", "segmentation"):
            whole = self.known.sum().expand_as(self.known)
        else:
            whole = self.known
        found: list[float] = (self.found / whole.clamp(min=1)).tolist()
        return found

    def _add_classes(self, label: Tensor) -> None:
        values = label[label != IGNORE_INDEX].reshape(-1)
        inside = (values >= 0) & (values < self.task.num_outputs)
        self.num_foreign += int((~inside).sum())
        found = torch.bincount(values[inside], minlength=self.task.num_outputs)
        self.known += found
        self.found += found

    def _add_measures(self, label: Tensor) -> None:
        self.known += (~label.isnan()).reshape(self.task.num_outputs, -1).sum(dim=1)
        finite = label[label.isfinite()]
        self.num_foreign += int(label.isinf().sum())
        if finite.numel() == 0:
            return
        self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        self._sum += float(finite.double().sum())
        if self.task.kind == "depth":
            self.num_foreign += int((finite < 0).sum())
            return
        lengths = label.square().sum(dim=0).sqrt()
        lengths = lengths[lengths.isfinite()]
        self.shortest = min(self.shortest, float(lengths.min()))
        self.longest = max(self.longest, float(lengths.max()))

    def _add_answers(self, label: Tensor) -> None:
        answers = label.reshape(self.task.num_outputs, -1)
        known = ~answers.isnan()
        self.num_foreign += int((known & (answers != 0) & (answers != 1)).sum())
        self.known += known.sum(dim=1)
        self.found += (answers == 1).sum(dim=1)


def evenly_spaced(total: int, most: int) -> list[int]:
    """Return at most ``most`` indices below ``total``, in order and including 0.

    If ``total`` is no larger than ``most``, all indices are returned.
    """
    count = min(total, most)
    return [position * total // count for position in range(count)]
