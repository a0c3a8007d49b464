"""Split whose decoded samples are rows of arrays: their layout, writing and reading."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy_format
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import IGNORE_INDEX, Batch, DataDescription, Sample
from gatefront.trainer.data.io.file_split import normalise

_WITH_CLASSES = ("classification", "segmentation")


@dataclass(frozen=True, slots=True)
class Column:
    """Array of the images, of the labels of one task, or of which labels exist. ``gap`` fills rows without a label.

    ``name`` is part of the file's name. Labels are named by their task's position, as a task's name may not be possible
    for a file.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    gap: float = 0.0

    @property
    def bytes_per_row(self) -> int:
        return self.dtype.itemsize * prod(self.shape)

    def file(self, folder: Path, split: str) -> Path:
        return folder / f"{split}-{self.name}.npy"


class DeepImageError(ValueError):
    """Error for an image of real numbers if the column of images holds bytes."""


def list_columns(description: DataDescription, image: Tensor) -> list[Column]:
    """Return the columns: the images', each task's in order, and last a bool per task.

    ``image`` is any image that is not normalized.
    """
    tasks = description.tasks
    images = Column("image", image.numpy().dtype, tuple(image.shape))
    return [
        images,
        *(_label_column(task, position, description.input_size) for position, task in enumerate(tasks)),
        Column("present", np.dtype(bool), (len(tasks),)),
    ]


def write_split(
    folder: Path,
    split: str,
    columns: Sequence[Column],
    samples: Iterable[Sample],
    count: int,
    *,
    task_names: Sequence[str],
) -> None:
    """Write ``count`` samples, which are not normalized, one after the other.

    ``task_names`` belong to the columns between the first and the last, in order.

    Raises:
        DeepImageError: an image has real numbers, and its column holds bytes.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(column.file(folder, split).open("wb")) for column in columns]
        for column, file in zip(columns, files, strict=True):
            _write_header(file, column, count)
        for sample in samples:
            for column, file, row in zip(columns, files, _rows(columns, task_names, sample), strict=True):
                file.write(np.ascontiguousarray(row, dtype=column.dtype).tobytes())


class DecodedSplit(Dataset[Sample]):
    """Split that reads and normalizes what :func:`write_split` wrote. Samples lack labels that do not exist."""

    def __init__(self, folder: Path, split: str, columns: Sequence[Column], description: DataDescription) -> None:
        # Nothing is ever written. Mode "c" (copy-on-write) only avoids torch's warning about read-only arrays.
        self._images, *labels, self._present = (
            np.load(column.file(folder, split), mmap_mode="c") for column in columns
        )
        self._labels: dict[str, NDArray[Any]] = dict(
            zip((task.name for task in description.tasks), labels, strict=True)
        )
        self._description = description

    def __len__(self) -> int:
        return len(self._images)

    @property
    def images(self) -> NDArray[Any]:
        """All decoded images, ``[n, channels, h, w]``, not normalized."""
        images: NDArray[Any] = self._images
        return images

    def __getitem__(self, index: int) -> Sample:
        batch = self.__getitems__([index])
        present = zip(self._labels, self._present[index], strict=True)
        return Sample(batch.images[0], {name: batch.labels[name][0] for name, is_there in present if is_there})

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return the batch of these samples. torch's loader calls this instead of one call per sample."""
        rows = np.asarray(indices, dtype=np.int64)
        images = normalise(torch.from_numpy(self._images[rows]), self._description)
        return Batch(images, {name: _as_label(array[rows]) for name, array in self._labels.items()})

    def indices_with(self, task: str) -> Iterator[int]:
        """Return the samples that have the task's label."""
        position = list(self._labels).index(task)
        return iter(np.flatnonzero(self._present[:, position]).tolist())


def _label_column(task: Task, position: int, size: tuple[int, int]) -> Column:
    name = f"label-{position}"
    shape = size if task.is_dense else ()
    if task.kind in _WITH_CLASSES:
        small = task.num_outputs <= np.iinfo(np.int16).max
        return Column(name, np.dtype(np.int16 if small else np.int32), shape, IGNORE_INDEX)
    return Column(name, np.dtype(np.float32), (task.num_outputs, *shape), np.nan)


def _write_header(file: BinaryIO, column: Column, count: int) -> None:
    header = {
        "descr": npy_format.dtype_to_descr(column.dtype),
        "fortran_order": False,
        "shape": (count, *column.shape),
    }
    npy_format.write_array_header_1_0(file, header)


def _rows(columns: Sequence[Column], task_names: Sequence[str], sample: Sample) -> Iterator[NDArray[Any]]:
    """Yield the sample's row in each array."""
    yield _image_row(columns[0], sample.image)
    for name, column in zip(task_names, columns[1:-1], strict=True):
        yield sample.labels[name].numpy() if name in sample.labels else np.full(column.shape, column.gap)
    yield np.array([name in sample.labels for name in task_names])


def _image_row(column: Column, image: Tensor) -> NDArray[Any]:
    is_byte = image.dtype == torch.uint8
    if column.dtype == np.uint8 and not is_byte:
        raise DeepImageError
    # The division is that of `normalise`, so that the sample is the same to the last bit.
    return (image.float() / 255 if is_byte and column.dtype != np.uint8 else image).numpy()


def _as_label(values: NDArray[Any]) -> Tensor:
    label = torch.from_numpy(values)
    return label if label.is_floating_point() else label.long()
