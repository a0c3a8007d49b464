"""CelebA's two tables, as text or as CSV: the attributes of each image, and its split."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.sources.celeba.attributes import ATTRIBUTES

_SEPARATORS = re.compile("[,;\t]")


@dataclass(frozen=True, slots=True)
class Faces:
    """``names`` of image files, ``attributes`` ``[n, 40]`` of 0 and 1, ``split`` ``[n]``: 0 train, 1 val, 2 test."""

    names: tuple[str, ...]
    attributes: NDArray[np.int8]
    split: NDArray[np.int8]


def read_tables(attributes: Path, partition: Path) -> Faces:
    """Read both tables, which must list the same images in the same order.

    Raises:
        DataError: a line is wrong; the message names the first one.
    """
    names, shown = _read_attributes(attributes)
    split_names, split = _rows(partition, _lines(partition, header="image_id,partition"), columns=1, allowed=(0, 1, 2))
    if names != split_names:
        first = next(
            (number for number, pair in enumerate(zip(names, split_names, strict=False)) if pair[0] != pair[1]),
            min(len(names), len(split_names)),
        )
        raise DataError(
            f"{partition} has {len(split_names)} images, {attributes} has {len(names)}; they part at entry {first + 1}."
        )
    return Faces(names, (shown > 0).astype(np.int8), split[:, 0])


def _read_attributes(path: Path) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    lines = _lines(path, header=",".join(("image_id", *ATTRIBUTES)))
    if path.suffix == ".csv":
        return _rows(path, lines, columns=len(ATTRIBUTES), allowed=(-1, 1))
    # Text starts with the number of images and the names of the attributes.
    count, header, rows = lines[0].strip(), lines[1].split() if len(lines) > 1 else [], lines[2:]
    if tuple(header) != ATTRIBUTES:
        raise DataError(f"{path}: line 2 does not name CelebA's 40 attributes in their order.")
    if count != str(len(rows)):
        raise DataError(f"{path}: line 1 promises {count} images, {len(rows)} follow.", hint="Copy the file again.")
    return _rows(path, rows, columns=len(ATTRIBUTES), allowed=(-1, 1))


def _lines(path: Path, *, header: str) -> list[str]:
    """Return the file's lines without trailing blank ones; of a CSV without its header, with blanks for separators."""
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not lines:
        raise DataError(f"{path} is empty.", hint="Copy the file again.")
    if path.suffix != ".csv":
        return lines
    if _SEPARATORS.sub(",", lines[0].strip()) != header:
        raise DataError(f"{path}: line 1 is not the header {header[:40]!r}...")
    return [_SEPARATORS.sub(" ", line) for line in lines[1:]]


def _rows(
    path: Path, lines: list[str], *, columns: int, allowed: tuple[int, ...]
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Read ``NAME value value ...`` per line. Return the names, and the values ``[n, columns]``."""
    cells = [line.split() for line in lines]
    for row in cells:
        if len(row) != columns + 1 or not set(row[1:]) <= {str(value) for value in allowed}:
            wrong = sum(1 for row in cells if len(row) != columns + 1)
            raise DataError(
                f"{path}: the entry of {row[0] if row else 'a blank line'!r} is not a name and {columns} values of "
                f"{', '.join(map(str, allowed))} ({wrong} of {len(cells)} entries have another length)."
            )
    values = np.array([row[1:] for row in cells], dtype="U2").astype(np.int8)
    return tuple(row[0] for row in cells), values
