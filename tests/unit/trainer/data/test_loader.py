"""The order of batches, and what fills the gaps."""

from collections.abc import Sequence

import pytest
import torch
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import IGNORE_INDEX, Batch, Sample
from gatefront.trainer.data.loader import collate, epoch_batches, ordered_batches, steps_per_epoch

TASKS = (
    Task(name="kind", kind="classification", num_outputs=3),
    Task(name="semseg", kind="segmentation", num_outputs=4),
    Task(name="normals", kind="normals", num_outputs=3),
)


class Numbered(Dataset[Sample]):
    """Image ``i`` is full of ``i``; even samples lack the class, odd ones the normals; none has a segmentation."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Sample:
        labels = {"kind": torch.tensor(index % 3)} if index % 2 else {"normals": torch.zeros(3, 2, 5)}
        return Sample(torch.full((1, 2, 5), float(index)), labels)


def indices(batches: Sequence[Batch]) -> list[list[int]]:
    return [[int(value) for value in batch.images[:, 0, 0, 0]] for batch in batches]


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return indices(list(epoch_batches(Numbered(50), TASKS, batch_size=8, seed=seed, epoch=epoch)))

    first = order(0, 1)
    torch.manual_seed(99)
    assert order(0, 1) == first
    assert order(0, 2) != first
    assert order(1, 1) != first


def test_loading_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    list(epoch_batches(Numbered(20), TASKS, batch_size=4, seed=0, epoch=0))
    list(ordered_batches(Numbered(20), TASKS, batch_size=4))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("size", "steps"), [(50, 6), (48, 6), (8, 1), (3, 1)])
def test_training_batches_are_full_and_never_repeat(size: int, steps: int) -> None:
    batches = indices(list(epoch_batches(Numbered(size), TASKS, batch_size=8, seed=0, epoch=0)))
    assert len(batches) == steps == steps_per_epoch(size, 8)
    seen = [index for batch in batches for index in batch]
    assert len(seen) == len(set(seen)) == min(size, steps * 8)


def test_ordered_batches_show_every_sample_once() -> None:
    batches = indices(list(ordered_batches(Numbered(11), TASKS, batch_size=4)))
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_worker_processes_load_the_same_batches() -> None:
    here = list(epoch_batches(Numbered(12), TASKS, batch_size=4, seed=0, epoch=3))
    there = list(epoch_batches(Numbered(12), TASKS, batch_size=4, seed=0, epoch=3, num_workers=1))
    assert indices(here) == indices(there)


@pytest.mark.parametrize("fetched_at_once", [False, True])
def test_missing_labels_are_marked(fetched_at_once: bool) -> None:
    samples = [Numbered(4)[index] for index in range(4)]
    if fetched_at_once:
        images = torch.stack([sample.image for sample in samples])
        batch = collate(Batch(images, {"kind": torch.tensor([IGNORE_INDEX, 1, IGNORE_INDEX, 0])}), TASKS)
        assert batch.labels["normals"].isnan().all()
    else:
        batch = collate(samples, TASKS)
        assert batch.labels["normals"].isnan().flatten(1).all(dim=1).tolist() == [False, True, False, True]
    assert batch.labels["kind"].tolist() == [IGNORE_INDEX, 1, IGNORE_INDEX, 0]
    assert batch.labels["semseg"].shape == (4, 2, 5)
    assert (batch.labels["semseg"] == IGNORE_INDEX).all()
    assert batch.labels["normals"].shape == (4, 3, 2, 5)
