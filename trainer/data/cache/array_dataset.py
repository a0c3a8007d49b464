"""Data set whose images and labels are arrays. One index reads a sample, a list of indices a whole batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import Batch, Sample

_CLASS_KINDS = ("classification", "segmentation")


class ArrayDataset(Dataset[Sample]):
    """Data set of ``images`` ``[n, channels, h, w]``, uint8, and one label array ``[n, ...]`` per task.

    The arrays may be memory-mapped, and only the requested rows are read. Class labels of any integer type become
    int64, real values float32.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: Mapping[str, NDArray[Any]],
        tasks: Sequence[Task],
        *,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self._images = images
        self._labels = labels
        self._dtypes = {task.name: torch.int64 if task.kind in _CLASS_KINDS else torch.float32 for task in tasks}
        # Images are bytes, so the scale of 255 is folded into the normalization.
        self._mean = 255 * torch.tensor(mean).view(-1, 1, 1)
        self._std = 255 * torch.tensor(std).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        batch = self.__getitems__([index])
        return Sample(batch.images[0], {name: label[0] for name, label in batch.labels.items()})

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return the batch of these samples. torch's loader calls this instead of one call per sample."""
        rows = np.asarray(indices, dtype=np.int64)
        images = (torch.from_numpy(self._images[rows]).float() - self._mean) / self._std
        return Batch(images, {name: self._label(name, rows) for name in self._dtypes})

    def _label(self, name: str, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self._labels[name][rows]).to(self._dtypes[name])
