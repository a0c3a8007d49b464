"""Decoding of single files to tensors. For an unreadable file a :class:`DataError` names it."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatefront.trainer.data.dataset import IGNORE_INDEX, DataError
from gatefront.trainer.data.io.picture_file import (
    FULL_BYTE,
    FULL_WORD,
    IMAGE_TREATMENTS,
    Picture,
    has_few_bits,
    open_picture,
    unreadable,
)

_INTERPOLATED = (
    "If the map was resized, it was interpolated, which mixes the numbers of classes: resize it by the nearest pixel."
)

# NumPy reads the header with Python's parser, whose depth counter all threads share in Python 3.11. Two threads at
# once have ended in a SystemError.
_one_at_a_time = threading.Lock()


def read_rgb(path: Path) -> Tensor:
    """Return an image ``[3, h, w]``, upright: bytes, or real numbers in [0, 1] if the file has more than 8 bits.

    :data:`~gatefront.trainer.data.io.picture_file.IMAGE_TREATMENTS` states how each mode is converted.

    Raises:
        DataError: if it cannot be read, has transparent pixels, or is of a mode that has no colors in [0, 1].
    """
    picture = open_picture(path)
    if picture.mode not in IMAGE_TREATMENTS:
        raise DataError(
            f"{path} is an image of mode {picture.mode}, which has no known black and white.",
            hint="Save it as RGB or grey, with 8 or 16 bits per channel.",
        )
    picture.require_opaque()
    return torch.from_numpy(np.ascontiguousarray(_colors(picture))).movedim(-1, 0)


def read_picture(path: Path, *, num_channels: int, may_be_indices: bool = True) -> NDArray[Any]:
    """Return a label picture's own numbers, upright: ``[h, w]`` for one channel, ``[h, w, 3]`` for three.

    A palette gives its indices, black and white gives 0 and 1, 16 bits give numbers up to 65535.

    Args:
        path: the picture.
        num_channels: 1 or 3.
        may_be_indices: False for numbers that measure something, which the indices of a palette do not.

    Raises:
        DataError: it cannot be read, has another number of channels, or reading would change its numbers.
    """
    picture = open_picture(path)
    if not may_be_indices and picture.mode in ("1", "P"):
        raise DataError(
            f"{path} is a picture of mode {picture.mode}, whose numbers measure nothing.",
            hint="Save it as grey with 8 or 16 bits.",
        )
    found = _one_channel(picture) if num_channels == 1 else _three_channels(picture)
    return _require(found, picture, num_channels, may_be_indices=may_be_indices)


def as_vectors(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Return an RGB picture's numbers ``full (v + 1) / 2`` as v in [-1, 1]; full is 255, or 65535 for 16 bits."""
    vectors: NDArray[np.float32] = np.float32(2) * numbers.astype(np.float32) / np.float32(full_scale(numbers)) - 1
    return vectors


def read_yes_or_no(path: Path, *, is_soft: bool = False) -> Tensor:
    """Return a binary label picture as ``[1, h, w]`` of 0 and 1.

    If all numbers are 0 and 1, they are the answers. Otherwise numbers above half of white mean yes.

    Args:
        path: the picture.
        is_soft: True for gray maps of probabilities, of which the darkest may have any numbers.

    Raises:
        DataError: it cannot be read, or its numbers do not show which is yes; ``path`` is named.
    """
    picture = open_picture(path)
    numbers = _require(_one_channel(picture), picture, 1)
    values = _distinct(numbers)
    if picture.mode == "P" and len(values) == 2:
        _require_dark_to_bright(picture, values)
    if not is_soft and set(values) <= {0, 1}:
        return torch.from_numpy(numbers.astype(np.float32))[None]
    white = full_scale(numbers)
    if numbers.dtype not in (np.uint8, np.uint16) or (not is_soft and len(values) == 2 and values[1] <= white // 2):
        raise DataError(
            f"{path} has the values {', '.join(map(str, values[:3]))}{' ...' if len(values) > 3 else ''}, "
            f"expected 0 and 1, or 0 to {white}.",
            hint="Save what is yes as 1 or as white.",
        )
    return torch.from_numpy((numbers > white // 2).astype(np.float32))[None]


def full_scale(numbers: NDArray[Any]) -> int:
    """Return the number of white in a picture's numbers."""
    return FULL_BYTE if numbers.dtype == np.uint8 else FULL_WORD


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, of integers, real numbers or truth values."""
    try:
        with _one_at_a_time:
            array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} holds Python objects, expected an array of numbers.", hint="Write it with numpy.save."
            ) from error
        raise unreadable(path, error) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        found = f"dtype {array.dtype}" if isinstance(array, np.ndarray) else "an archive of several arrays"
        raise DataError(f"{path} must hold one array of numbers, found {found}.", hint="Write it with numpy.save.")
    return array


def as_classes(
    path: Path,
    classes: NDArray[Any],
    *,
    num_classes: int,
    ignored: tuple[int, ...],
    first: int = 0,
    numbering_hint: str = "",
) -> Tensor:
    """Return class indices as int64, :data:`IGNORE_INDEX` where there is no class.

    Args:
        path: the file, for messages.
        classes: its numbers.
        num_classes: how many classes there are.
        ignored: the numbers that are no class.
        first: the number of the first class in the file.
        numbering_hint: the hint if the only unknown number is the one after the last class.

    Raises:
        DataError: for a number that is neither a class nor ignored; ``path`` is named.
    """
    if not np.array_equal(classes, np.rint(classes)):
        fraction = _first_fraction(classes)
        raise DataError(
            f"{path} holds values that are no class indices, such as {fraction:.4g}.",
            hint=_INTERPOLATED
            if np.isfinite(fraction)
            else "Save a whole number that is no class where none is known.",
        )
    labels = classes.astype(np.int64)
    unknown = np.isin(labels, ignored)
    wrong = ~unknown & ((labels < first) | (labels >= first + num_classes))
    if wrong.any():
        unknown_numbers = np.unique(labels[wrong]).tolist()
        is_next = unknown_numbers == [first + num_classes]
        raise DataError(
            f"{path} has class {labels[wrong][0]} ({int((labels == labels[wrong][0]).sum()):,} such pixels), "
            f"expected {first} to {first + num_classes - 1} or {', '.join(map(str, ignored)) or 'nothing else'}.",
            hint=numbering_hint
            if numbering_hint and is_next
            else f"This looks like another set of classes. {_INTERPOLATED}"
            if len(unknown_numbers) > 1
            else "This looks like another set of classes.",
        )
    return torch.from_numpy(np.where(unknown, IGNORE_INDEX, labels - first))


def _colors(picture: Picture) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return the colors ``[h, w, 3]``, as bytes or in [0, 1]."""
    if picture.words is not None:
        return picture.words[..., :3].astype(np.float32) / np.float32(FULL_WORD)
    if picture.mode.startswith("I;16"):
        return _grey(np.array(picture.image).astype(np.float32) / np.float32(FULL_WORD))
    if picture.mode == "F":
        numbers = np.array(picture.image)
        if np.isnan(numbers).any():
            raise DataError(
                f"{picture.path} is an image with pixels that are no number (NaN), expected 0 to 1.",
                hint="Save a number from 0 to 1 for every pixel.",
            )
        if not (numbers.min() >= 0 and numbers.max() <= 1):
            raise DataError(
                f"{picture.path} has real numbers from {numbers.min():.3g} to {numbers.max():.3g}, expected 0 to 1.",
                hint="Divide them by what white is.",
            )
        return _grey(numbers)
    return np.array(picture.image.convert("RGB"))


def _grey(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(numbers[..., None], 3, axis=2)


def _one_channel(picture: Picture) -> NDArray[Any] | None:
    picture.require_numbers()
    if picture.mode in ("LA", "PA"):
        picture.require_opaque()
        return np.array(picture.image)[..., 0]
    if picture.mode not in ("1", "L", "P", "I", "F") and not picture.mode.startswith("I;16"):
        return None
    if picture.mode == "L" and has_few_bits(picture.raw_mode):
        raise DataError(
            f"{picture.path} is grey of {picture.raw_mode[2]} bits, whose numbers are read as 0 to 255.",
            hint="Save it with 8 bits per pixel, or with a palette.",
        )
    numbers = np.array(picture.image)
    return numbers.astype(numbers.dtype.newbyteorder("="))


def _three_channels(picture: Picture) -> NDArray[Any] | None:
    picture.require_numbers()
    if picture.mode not in ("RGB", "RGBA"):
        return None
    picture.require_opaque()
    return (np.array(picture.image) if picture.words is None else picture.words)[..., :3]


def _require(
    numbers: NDArray[Any] | None, picture: Picture, num_channels: int, *, may_be_indices: bool = True
) -> NDArray[Any]:
    if numbers is None:
        found = len(picture.image.getbands())
        one_number = f"Save it as grey{' or with a palette' if may_be_indices else ''}: one number per pixel."
        raise DataError(
            f"{picture.path} is a picture of mode {picture.mode} with {found} channels, expected {num_channels}.",
            hint=one_number if num_channels == 1 else "Save it as RGB.",
        )
    return numbers


def _distinct(numbers: NDArray[Any]) -> list[Any]:
    """Return the values that occur, in order."""
    if numbers.dtype in (np.uint8, np.uint16):  # many times faster than sorting them
        return list(np.flatnonzero(np.bincount(numbers.ravel())).tolist())
    return list(np.unique(numbers).tolist())


def _require_dark_to_bright(picture: Picture, indices: list[Any]) -> None:
    """Raise :class:`DataError` if the palette paints the larger of two indices darker, as yes is then unclear."""
    brightness = np.array(picture.image.convert("L"))
    numbers = np.array(picture.image)
    low, high = (float(brightness[numbers == index][0]) for index in indices)
    if high <= low:
        raise DataError(
            f"{picture.path} has a palette that paints {indices[1]} no brighter than {indices[0]}.",
            hint="Save it as grey, with what is yes as 1 or as white.",
        )


def _first_fraction(values: NDArray[Any]) -> float:
    return float(values[values != np.rint(values)].flat[0])
