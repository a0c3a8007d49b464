"""Single files to tensors; what cannot be read is a :class:`DataError` that names the file."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from trainer.data.dataset import IGNORE_INDEX, DataError

# NumPy has Python's parser read the header, and in Python 3.11 that counts how deep it is for all threads together: two
# at once have ended in a SystemError.
_one_at_a_time = threading.Lock()
_FAULTS = (OSError, ValueError, SyntaxError)  # what Pillow raises for broken files: the last for a broken PNG


def read_rgb(path: Path) -> Tensor:
    """An image file as bytes ``[3, h, w]``."""
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
    except _FAULTS as error:
        raise _unreadable(path, error) from error
    return torch.from_numpy(pixels).movedim(-1, 0)


def read_picture(path: Path, *, num_channels: int) -> NDArray[Any]:
    """An image file's own numbers, ``[h, w]`` for one channel, else ``[h, w, channels]``: palettes give indices.

    Raises:
        DataError: if it cannot be read or has another number of channels.
    """
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.array(image)
    except _FAULTS as error:
        raise _unreadable(path, error) from error
    found = 1 if pixels.ndim == 2 else pixels.shape[2]
    if found != num_channels:
        raise DataError(
            f"{path} is a picture of mode {mode} with {found} channels, expected {num_channels}.",
            hint="This looks like another layout of the same data set.",
        )
    return pixels


def read_array(path: Path) -> NDArray[Any]:
    """The array of a ``.npy`` file."""
    try:
        with _one_at_a_time:
            array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from error
    return array


def as_classes(
    path: Path, classes: NDArray[Any], *, num_classes: int, ignored: tuple[int, ...], first: int = 0
) -> Tensor:
    """Class indices as int64, :data:`IGNORE_INDEX` for the values in ``ignored``; the file counts from ``first``.

    Raises:
        DataError: for a value that is neither; ``path`` is named.
    """
    if not np.array_equal(classes, np.rint(classes)):
        raise DataError(f"{path} holds values that are no class indices, such as {_first_fraction(classes)}.")
    labels = classes.astype(np.int64)
    unknown = np.isin(labels, ignored)
    wrong = ~unknown & ((labels < first) | (labels >= first + num_classes))
    if wrong.any():
        raise DataError(
            f"{path} has class {labels[wrong][0]} ({int(wrong.sum())} such pixels), "
            f"expected {first} to {first + num_classes - 1} or {', '.join(map(str, ignored)) or 'nothing else'}.",
            hint="This looks like another set of classes.",
        )
    return torch.from_numpy(np.where(unknown, IGNORE_INDEX, labels - first))


def _first_fraction(values: NDArray[Any]) -> float:
    return float(values[values != np.rint(values)].flat[0])


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read: {str(error).rstrip('.')}.", hint="Copy the file again.")
