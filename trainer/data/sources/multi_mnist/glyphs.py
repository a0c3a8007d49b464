"""Single pictures that overlapping pairs are composed of, by split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatefront.trainer.data.cache.array_cache import Split
from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.io.idx_file import find_idx, read_idx

GLYPH_SIZE = 28
NUM_CLASSES = 10
FILES: Mapping[str, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""Official names of the files of pictures and of their classes."""

_VAL_ONE_IN = 6
"""One in so many training pictures is behind validation: of MNIST's 60,000 these are 10,000."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Pictures ``[n, 28, 28]``, bright on black, and their classes ``[n]``."""

    pictures: NDArray[np.uint8]
    classes: NDArray[np.uint8]


def find_files(root: Path) -> tuple[Path, ...]:
    """Return the four files. Raise :class:`DataError` if one is missing."""
    return tuple(find_idx(root, name) for names in FILES.values() for name in names)


def read_glyphs(root: Path, split: Split) -> Glyphs:
    """Return the pictures behind one split. No picture is behind two of them.

    Raises:
        DataError: a file is missing or broken, pictures are not of 28x28 pixels, or classes do not belong to them.
    """
    glyphs = _read_pair(root, FILES["test" if split == "test" else "train"])
    if split == "test":
        return glyphs
    order = np.random.default_rng(0).permutation(len(glyphs.classes))
    num_val = max(1, len(order) // _VAL_ONE_IN)
    chosen = order[:num_val] if split == "val" else order[num_val:]
    if len(chosen) == 0:
        raise DataError(
            f"Cannot train and validate on {root}: both need pictures of their own (found {len(order)} in all)."
        )
    return Glyphs(glyphs.pictures[chosen], glyphs.classes[chosen])


def _read_pair(root: Path, names: tuple[str, str]) -> Glyphs:
    images_path, labels_path = (find_idx(root, name) for name in names)
    pictures, classes = read_idx(images_path, num_axes=3), read_idx(labels_path, num_axes=1)
    if pictures.shape[1:] != (GLYPH_SIZE, GLYPH_SIZE):
        found = "x".join(map(str, pictures.shape[1:]))
        raise DataError(f"Cannot read {images_path}: pictures must be {GLYPH_SIZE}x{GLYPH_SIZE} (found {found}).")
    if len(pictures) != len(classes):
        raise DataError(
            f"Cannot read {images_path}: its pictures and their classes in {labels_path.name} differ in number "
            f"(found {len(pictures):,} and {len(classes):,}).",
            hint="Copy both files from one place.",
        )
    if len(classes) == 0:
        raise DataError(f"Cannot read {images_path}: it must hold pictures (found none).")
    if classes.max() >= NUM_CLASSES:
        raise DataError(
            f"Cannot read {labels_path}: classes must be below {NUM_CLASSES} (found {int(classes.max())}).",
            hint="Give a set of ten classes.",
        )
    return Glyphs(pictures, classes)
