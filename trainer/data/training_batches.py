"""Batches of a whole training. Loader workers live as long as it does, and read ahead across epochs."""

from collections.abc import Iterator, Sequence
from itertools import islice

from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import Batch, Sample
from gatefront.trainer.data.loader import (
    as_in_epoch,
    epoch_batches,
    epoch_key,
    epoch_order,
    load_batches,
    num_samples,
    steps_per_epoch,
)

Place = tuple[int, int]
"""Key of an epoch, and index of a sample."""


class TrainingBatches:
    """Batches of :func:`gatefront.trainer.data.loader.epoch_batches` for every epoch, to be read in order.

    To restart workers for each epoch costs their start and the reading of a first batch. In short epochs of a small
    network that cost is never recovered.
    """

    def __init__(
        self,
        dataset: Dataset[Sample],
        tasks: Sequence[Task],
        *,
        batch_size: int,
        seed: int,
        num_epochs: int,
        num_workers: int = 0,
    ) -> None:
        self._dataset = dataset
        self._tasks = tuple(tasks)
        self._batch_size = batch_size
        self._seed = seed
        self._num_epochs = num_epochs
        self._num_workers = num_workers
        self._ahead: Iterator[Batch] = iter(())
        self._next_epoch: int | None = None

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of this epoch, counted from 0. Any may come first, such as that of a resumed run."""
        if self._num_workers == 0:
            yield from epoch_batches(
                self._dataset, self._tasks, batch_size=self._batch_size, seed=self._seed, epoch=number
            )
            return
        if number != self._next_epoch:
            keyed = _SamplesOfAnyEpoch(self._dataset, self._tasks)
            self._ahead = load_batches(keyed, self._tasks, self._places_from(number), self._num_workers)
        self._next_epoch = None  # until the epoch has been read to its end
        yield from islice(self._ahead, steps_per_epoch(num_samples(self._dataset), self._batch_size))
        self._next_epoch = number + 1
        if self._next_epoch == self._num_epochs:
            self._ahead = iter(())  # lets the workers end, who have nothing left to read

    def _places_from(self, first: int) -> Iterator[list[Place]]:
        for number in range(first, self._num_epochs):
            key = epoch_key(self._seed, number)
            for indices in epoch_order(num_samples(self._dataset), self._batch_size, key):
                yield [(key, index) for index in indices]


class _SamplesOfAnyEpoch(Dataset[Sample]):
    """Samples by :data:`Place`, so that each batch tells a worker that outlives an epoch which epoch it reads for."""

    def __init__(self, dataset: Dataset[Sample], tasks: Sequence[Task]) -> None:
        self._dataset = dataset
        self._tasks = tasks

    def __getitems__(self, places: Sequence[Place]) -> list[Sample] | Batch:
        """Return these samples, all of one epoch. torch's loader calls this."""
        dataset = as_in_epoch(self._dataset, self._tasks, places[0][0])
        indices = [index for _, index in places]
        fetch_all = getattr(dataset, "__getitems__", None)
        found: list[Sample] | Batch = [dataset[index] for index in indices] if fetch_all is None else fetch_all(indices)
        return found
