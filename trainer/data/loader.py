"""Batches: their order, and the values for missing labels."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import IGNORE_INDEX, Batch, Sample
from gatefront.trainer.data.transforms.augmentation import ChangesWithEpoch


def epoch_batches(
    dataset: Dataset[Sample], tasks: Sequence[Task], *, batch_size: int, seed: int, epoch: int, num_workers: int = 0
) -> Iterator[Batch]:
    """Yield one epoch in an order that depends only on ``(seed, epoch)``, so a resumed run sees the same batches.

    Samples that do not fill a last batch are left out, because norms cannot learn from a batch of one. They are others
    in every epoch. A data set that changes its samples with the epoch depends on the same two numbers.
    """
    key = epoch_key(seed, epoch)
    batches = epoch_order(num_samples(dataset), batch_size, key)
    return load_batches(as_in_epoch(dataset, tasks, key), tasks, batches, num_workers)


def epoch_key(seed: int, epoch: int) -> int:
    """Return the number that determines an epoch: the order of its samples, and how they are changed."""
    # A large odd factor keeps the epochs of neighboring seeds apart.
    return seed * 1_000_003 + epoch


def epoch_order(size: int, batch_size: int, key: int) -> list[list[int]]:
    """Return the full batches of an epoch, as indices."""
    order: list[int] = torch.randperm(size, generator=torch.Generator().manual_seed(key)).tolist()
    return _chunks(order[: steps_per_epoch(size, batch_size) * batch_size], batch_size)


def as_in_epoch(dataset: Dataset[Sample], tasks: Sequence[Task], key: int) -> Dataset[Sample]:
    """Return the data set with its samples as in this epoch."""
    return dataset.at_epoch(key, tasks) if isinstance(dataset, ChangesWithEpoch) else dataset


def ordered_batches(
    dataset: Dataset[Sample], tasks: Sequence[Task], *, batch_size: int, num_workers: int = 0
) -> Iterator[Batch]:
    """Yield every sample once, in order."""
    return load_batches(dataset, tasks, _chunks(range(num_samples(dataset)), batch_size), num_workers)


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Return the number of full batches in one epoch. A set smaller than a batch is one step."""
    return max(size // batch_size, 1)


def num_samples(dataset: Dataset[Sample]) -> int:
    """Return the number of samples of a split."""
    return len(dataset)  # type: ignore[arg-type]  # torch leaves __len__ to each data set


def collate(samples: Sequence[Sample] | Batch, tasks: Sequence[Task]) -> Batch:
    """Stack samples, and mark the missing labels of ``tasks`` as unknown."""
    if isinstance(samples, Batch):
        gaps = {task.name: _unknown(task, samples.images) for task in tasks}
        return Batch(
            samples.images,
            {
                name: samples.labels[name] if name in samples.labels else gap.expand(len(samples), *gap.shape)
                for name, gap in gaps.items()
            },
        )
    images = torch.stack([sample.image for sample in samples])
    gaps = {task.name: _unknown(task, images) for task in tasks}
    labels = {name: torch.stack([sample.labels.get(name, gap) for sample in samples]) for name, gap in gaps.items()}
    return Batch(images, labels)


def _unknown(task: Task, images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    if task.kind == "classification":
        return torch.tensor(IGNORE_INDEX)
    if task.kind == "multilabel":
        return torch.full((task.num_outputs,), torch.nan)
    if task.kind == "segmentation":
        return torch.full((height, width), IGNORE_INDEX)
    return torch.full((task.num_outputs, height, width), torch.nan)


def _chunks(indices: Sequence[int], size: int) -> list[list[int]]:
    return [list(indices[start : start + size]) for start in range(0, len(indices), size)]


def load_batches(
    dataset: Dataset[Sample], tasks: Sequence[Task], batches: Iterable[list[Any]], num_workers: int
) -> Iterator[Batch]:
    """Yield the batches of these indices, in order, read ahead by ``num_workers`` processes, or here for 0."""
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=_Collate(tasks),
        num_workers=num_workers,
        # The default generator would draw from the global state, which belongs to the network.
        generator=torch.Generator().manual_seed(0),
    )
    return iter(loader)


class _Collate:
    """Function with its tasks bound that worker processes can unpickle."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tuple(tasks)

    def __call__(self, samples: Sequence[Sample] | Batch) -> Batch:
        return collate(samples, self._tasks)
