"""The batches of a whole training: those of its epochs, whoever reads them and wherever it begins."""

import multiprocessing
import os
from collections.abc import Sequence

import pytest
import torch
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import Batch, Sample
from gatefront.trainer.data.loader import epoch_batches
from gatefront.trainer.data.training_batches import TrainingBatches

TASKS = (Task(name="number", kind="classification", num_outputs=100),)
NUM_EPOCHS = 3


class Changing(Dataset[Sample]):
    """Each sample shows its own number and the epoch's key; its label is the process that has read it."""

    def __init__(self, size: int, key: int = -1) -> None:
        self._size = size
        self._key = key

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Sample:
        image = torch.tensor([index, self._key], dtype=torch.float32).view(2, 1, 1)
        return Sample(image, {"number": torch.tensor(os.getpid())})

    def at_epoch(self, key: int, tasks: Sequence[Task] | None = None) -> "Changing":
        return Changing(self._size, key)


class FetchedAtOnce(Changing):
    """Gives whole batches, as decoded and generated data do."""

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        samples = [self[index] for index in indices]
        labels = torch.stack([sample.labels["number"] for sample in samples])
        return Batch(torch.stack([sample.image for sample in samples]), {"number": labels})

    def at_epoch(self, key: int, tasks: Sequence[Task] | None = None) -> "FetchedAtOnce":
        return FetchedAtOnce(self._size, key)


def expected(dataset: Dataset[Sample], epoch: int) -> list[list[float]]:
    return shown(list(epoch_batches(dataset, TASKS, batch_size=4, seed=7, epoch=epoch)))


def shown(batches: Sequence[Batch]) -> list[list[float]]:
    return [batch.images.flatten().tolist() for batch in batches]


def read_by(batches: Sequence[Batch]) -> set[int]:
    return {int(process) for batch in batches for process in batch.labels["number"]}


def make(dataset: Dataset[Sample], num_workers: int) -> TrainingBatches:
    return TrainingBatches(dataset, TASKS, batch_size=4, seed=7, num_epochs=NUM_EPOCHS, num_workers=num_workers)


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("dataset", [Changing(14), FetchedAtOnce(14), Changing(3)], ids=["single", "at once", "few"])
def test_every_epoch_is_what_it_is_alone(dataset: Dataset[Sample], num_workers: int) -> None:
    batches = make(dataset, num_workers)
    for epoch in range(NUM_EPOCHS):
        assert shown(list(batches.epoch(epoch))) == expected(dataset, epoch)


def test_one_worker_reads_all_epochs() -> None:
    batches = make(Changing(14), 1)
    processes = [read_by(list(batches.epoch(epoch))) for epoch in range(NUM_EPOCHS)]
    assert len(set().union(*processes)) == 1
    assert os.getpid() not in processes[0]
    (worker,) = processes[0]
    assert worker not in {child.pid for child in multiprocessing.active_children()}, "it ends with the last epoch"


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_resumed_run_begins_anywhere_and_goes_on(num_workers: int) -> None:
    dataset = Changing(14)
    batches = make(dataset, num_workers)
    assert shown(list(batches.epoch(1))) == expected(dataset, 1)
    assert shown(list(batches.epoch(2))) == expected(dataset, 2)


@pytest.mark.parametrize("again", [0, 1])
def test_an_epoch_that_was_left_does_not_shift_the_next(again: int) -> None:
    dataset = Changing(14)
    batches = make(dataset, 1)
    left = batches.epoch(0)
    next(left)
    left.close()  # type: ignore[attr-defined]  # as an error in a training step does
    assert shown(list(batches.epoch(again))) == expected(dataset, again)


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    batches = make(Changing(14), 1)
    for epoch in range(2):
        list(batches.epoch(epoch))
    found = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(found, torch.rand(3))
