"""Samples that lack labels: what is learned and measured leaves them out, and a task without any is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX, DataDescription, DataError, MultiTaskData, Sample
from gatefront.trainer.data.labelled import require_labels
from gatefront.trainer.data.loader import ordered_batches
from gatefront.trainer.losses import task_loss
from gatefront.trainer.metrics import metric_for

TASKS = (
    Task(name="kind", kind="classification", num_outputs=3),
    Task(name="look", kind="multilabel", num_outputs=2),
    Task(name="semseg", kind="segmentation", num_outputs=4),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)
FULL = {
    "kind": torch.tensor(1),
    "look": torch.tensor([1.0, 0.0]),
    "semseg": torch.ones(2, 3, dtype=torch.int64),
    "depth": torch.ones(1, 2, 3),
    "normals": torch.ones(3, 2, 3) / 3**0.5,
}
UNKNOWN = {
    name: torch.full_like(label, torch.nan if label.is_floating_point() else IGNORE_INDEX)
    for name, label in FULL.items()
}


class Listed(Dataset[Sample]):
    """Samples with the labels given; counts how often one is read."""

    def __init__(self, labels: Sequence[Mapping[str, Tensor]]) -> None:
        self.labels = labels
        self.reads = 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        return Sample(torch.zeros(1, 2, 3), self.labels[index])


def as_data(train: Dataset[Sample], val: Dataset[Sample]) -> MultiTaskData:
    description = DataDescription(
        tasks=TASKS, in_channels=1, input_size=(2, 3), mean=(0.0,), std=(1.0,), num_train=1, num_val=1
    )
    return MultiTaskData(description=description, train=train, val=val, fingerprint="")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("is_marked", [False, True], ids=["absent", "marked unknown"])
def test_samples_without_the_label_change_nothing(task: Task, is_marked: bool) -> None:
    gap = UNKNOWN if is_marked else {name: label for name, label in FULL.items() if name != task.name}
    whole = next(ordered_batches(Listed([FULL, FULL]), TASKS, batch_size=2))
    gappy = next(ordered_batches(Listed([FULL, gap, FULL, gap]), TASKS, batch_size=4))
    predictions = torch.randn(4, task.num_outputs, *((2, 3) if task.is_dense else ()))
    labelled = predictions[[0, 2]]
    loss = task_loss(task, predictions, gappy.labels[task.name])
    torch.testing.assert_close(loss, task_loss(task, labelled, whole.labels[task.name]))
    with_gaps, without = metric_for(task), metric_for(task)
    with_gaps.update(predictions, gappy.labels[task.name])
    without.update(labelled, whole.labels[task.name])
    assert with_gaps.compute() == pytest.approx(without.compute(), rel=1e-6)


def test_one_labelled_sample_suffices_and_no_more_are_read() -> None:
    last = [{} for _ in range(9)] + [dict(FULL)]
    first = Listed([FULL] * 10)
    require_labels(as_data(first, Listed(last)))
    assert first.reads == 1


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_task_without_labels_is_refused_with_the_reason(task: Task, split: str) -> None:
    without = {name: label for name, label in FULL.items() if name != task.name}
    marked = without | {task.name: UNKNOWN[task.name]}
    empty, full = Listed([without, without, marked]), Listed([FULL])
    data = as_data(empty, full) if split == "training" else as_data(full, empty)
    message = (
        rf"task {task.name} has no label in the {split} split: of 3 samples, 2 have no label, and the labels of 1 hold"
    )
    with pytest.raises(DataError, match=message):
        require_labels(data)


def test_a_task_without_any_label_in_the_test_split_is_refused() -> None:
    data = as_data(Listed([FULL]), Listed([FULL]))
    tested = replace(data, test=Listed([{}]), description=replace(data.description, num_test=1))
    with pytest.raises(DataError, match="task kind has no label in the test split: of 1 samples, 1 have no label"):
        require_labels(tested)
