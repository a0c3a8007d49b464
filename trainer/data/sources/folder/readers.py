"""Readers of a folder's label maps, by the kind of their task and the ending of the file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.io.decode import as_classes, as_vectors, read_array, read_picture, read_yes_or_no
from gatefront.trainer.data.io.file_split import Reader
from gatefront.trainer.data.sources.folder.manifest import TaskEntry
from gatefront.trainer.data.transforms.resizing import unit_normals

_NUMBERING = (
    "If the files count from 1, set first_class = 1 in dataset.toml. If 0 is a class too, such as a background, give "
    "dataset.toml one class more."
)


def reader_for(entry: TaskEntry) -> Reader:
    """Return a function from one file, an array (``.npy``) or a picture, to the label of this task.

    Pictures of normals hold ``255 (n + 1) / 2``, black is missing. Pictures of edges and of saliency are 1, or white,
    for yes. Arrays hold the values themselves. NaN is missing, and so is a normal of length 0.
    """
    return partial(_READERS[entry.kind], entry=entry)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() != ".npy"


def _numbers(path: Path, *, num_channels: int, may_be_indices: bool = True) -> NDArray[Any]:
    """Return ``[h, w]``, or ``[h, w, channels]`` for more than one."""
    if _is_picture(path):
        return read_picture(path, num_channels=num_channels, may_be_indices=may_be_indices)
    array = read_array(path)
    if num_channels == 1 and array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.shape[2:] != (() if num_channels == 1 else (num_channels,)) or array.ndim < 2:
        expected = "height x width" + ("" if num_channels == 1 else f" x {num_channels}")
        raise DataError(
            f"{path} has shape {'x'.join(map(str, array.shape))}, expected {expected}.",
            hint="Save one number per pixel, such as the number of its class." if num_channels == 1 else "",
        )
    return array


def _read_classes(path: Path, *, entry: TaskEntry) -> Tensor:
    return as_classes(
        path,
        _numbers(path, num_channels=1),
        num_classes=entry.num_outputs,
        ignored=tuple(entry.ignore),
        first=entry.first_class,
        numbering_hint=_NUMBERING,
    )


def _read_depth(path: Path, *, entry: TaskEntry) -> Tensor:
    values = torch.from_numpy(_numbers(path, num_channels=1, may_be_indices=False).astype(np.float32))[None]
    return torch.where(values == entry.missing, torch.nan, entry.scale * values)


def _read_normals(path: Path, *, entry: TaskEntry) -> Tensor:
    numbers = _numbers(path, num_channels=3)
    missing = torch.from_numpy((numbers == 0).all(axis=2) | np.isnan(numbers).any(axis=2))
    vectors = as_vectors(numbers) if _is_picture(path) else numbers
    return unit_normals(torch.from_numpy(vectors.astype(np.float32)).movedim(-1, 0), missing)


def _read_binary(path: Path, *, entry: TaskEntry) -> Tensor:
    if _is_picture(path):
        return read_yes_or_no(path)
    values = torch.from_numpy(_numbers(path, num_channels=1).astype(np.float32))[None]
    wrong = ~values.isnan() & (values != 0) & (values != 1)
    if wrong.any():
        raise DataError(f"{path} has the value {float(values[wrong][0]):.3g}, expected 0, 1 or NaN.")
    return values


_READERS: dict[str, Callable[..., Tensor]] = {
    "segmentation": _read_classes,
    "depth": _read_depth,
    "normals": _read_normals,
    "edges": _read_binary,
    "saliency": _read_binary,
}
