"""Check before training that each task has a label in each split."""

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import IGNORE_INDEX, DataError, MultiTaskData, Sample

SPLIT_WORDS: Mapping[str, str] = {"train": "training", "val": "validation", "test": "test"}
"""Word of each split in messages."""


@runtime_checkable
class KnowsItsLabels(Protocol):
    """Split that knows, without reading them, which of its samples may have a task's label."""

    def indices_with(self, task: str) -> Iterable[int]: ...


def require_labels(data: MultiTaskData) -> None:
    """Read samples of each split until every task has had a label. Usually one sample suffices.

    Raises:
        DataError: a task has none in a split; the message counts missing labels and labels without a known value.
    """
    for name, split in data.splits.items():
        shown: dict[int, dict[str, bool]] = {}  # of each sample read: task to whether its label says anything
        for task in data.description.tasks:
            _require_label(task, split, SPLIT_WORDS[name], shown)


def has_label(label: Tensor | None) -> bool:
    """Return whether any value of the label is known."""
    if label is None:
        return False
    known = ~label.isnan() if label.is_floating_point() else label != IGNORE_INDEX
    return bool(known.any())


def _require_label(task: Task, split: Dataset[Sample], name: str, shown: dict[int, dict[str, bool]]) -> None:
    total = len(split)  # type: ignore[arg-type]  # torch leaves __len__ to each data set
    num_empty = 0
    for index in split.indices_with(task.name) if isinstance(split, KnowsItsLabels) else range(total):
        if index not in shown:
            shown[index] = {name: has_label(label) for name, label in split[index].labels.items()}
        if shown[index].get(task.name):
            return
        num_empty += task.name in shown[index]
    raise DataError(
        f"task {task.name} has no label in the {name} split: of {total:,} samples, {total - num_empty:,} have no "
        f"label, and the labels of {num_empty:,} hold no known value.",
        hint="Label some samples, choose other splits, or leave the task out.",
    )
