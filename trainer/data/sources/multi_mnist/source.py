"""MultiMNIST: two pictures that overlap, one to the upper left and one to the lower right, on 36x36 pixels.

It follows Sabour et al. 2017 ("Dynamic routing between capsules") and Lin et al. 2019 ("Pareto multi-task learning").
Each picture of 28x28 is shifted by up to two pixels either way, and the brighter ink is kept. The tasks, the classes of
both, conflict: what names one picture is noise to the other.

``root`` holds the four files of MNIST, or of a set in its format, plain or compressed. The option ``right_root`` names
another folder of that kind for the pictures to the lower right, such as Fashion-MNIST's.

Pairs of the test split are composed of the official test pictures. One in six training pictures is behind validation
pairs, and the others are behind training pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.content_hash import hash_file
from gatefront.trainer.data.cache.array_cache import Arrays, Split, load_generated
from gatefront.trainer.data.dataset import DataDescription, DataError, DataSpec, MultiTaskData
from gatefront.trainer.data.io.folder_listing import require_root
from gatefront.trainer.data.options import parse_options, require_option
from gatefront.trainer.data.sources.multi_mnist.glyphs import GLYPH_SIZE, NUM_CLASSES, find_files, read_glyphs

_SIDE = 36
_SHIFTS = 3  # places per axis, one pixel apart
_RNG_OF: Mapping[Split, int] = {"train": 0, "val": 1, "test": 2}
_VERSION = 1
_CLASS_NAMES = tuple(map(str, range(NUM_CLASSES)))

_TASKS = (
    Task(name="left", kind="classification", num_outputs=NUM_CLASSES),
    Task(name="right", kind="classification", num_outputs=NUM_CLASSES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiMnistOptions:
    """Options of MultiMNIST: images by split, the seed of their pairs, and a folder of other pictures for the right."""

    train_size: int = 20_000
    val_size: int = 5_000
    test_size: int = 5_000
    seed: int = 0
    right_root: str | None = None

    def __post_init__(self) -> None:
        for name, least in (("train_size", 1), ("val_size", 1), ("test_size", 0), ("seed", 0)):
            require_option(name, getattr(self, name), f"at least {least}", getattr(self, name) >= least)

    def num_images(self, split: Split) -> int:
        sizes: Mapping[Split, int] = {"train": self.train_size, "val": self.val_size, "test": self.test_size}
        return sizes[split]


def describe(spec: DataSpec) -> DataDescription:
    """Return tasks ``left`` (the picture to the upper left) and ``right`` (to the lower right), of ten classes each."""
    options = parse_options(MultiMnistOptions, spec)
    return DataDescription(
        tasks=_TASKS,
        in_channels=1,
        input_size=(_SIDE, _SIDE),
        mean=(0.146,),  # measured on MNIST's training pairs
        std=(0.324,),
        num_train=options.train_size,
        num_val=options.val_size,
        num_test=options.test_size,
        class_names={"left": _CLASS_NAMES, "right": _CLASS_NAMES},
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, composed once of pictures that no other split uses.

    Raises:
        DataError: there is no root, or a file is missing or broken.
    """
    description, options = describe(spec), parse_options(MultiMnistOptions, spec)
    left = require_root(spec, holds="MNIST's four files")
    right = left if options.right_root is None else _right_root(options.right_root)
    files = [hash_file(path) for root in (left, right) for path in find_files(root)]
    settings = {f"{split}_size": options.num_images(split) for split in _RNG_OF} | {"seed": options.seed}

    def render(split: Split) -> Arrays:
        return _render(left, right, split, options.num_images(split), options.seed)

    return load_generated(
        spec.name,
        {**settings, "version": _VERSION, "files": " ".join(files)},
        description,
        render=render,
        cache_dir=cache_dir,
    )


def _right_root(written: str) -> Path:
    root = Path(written).expanduser()
    if not root.is_dir():
        raise DataError(
            f"data.options.right_root must be a folder, found {written!r}.",
            hint="Give the folder that holds the four files of the pictures to the right.",
        )
    return root


def _render(left_root: Path, right_root: Path, split: Split, num_images: int, seed: int) -> Arrays:
    rng = np.random.default_rng([seed, _RNG_OF[split]])
    left, right = read_glyphs(left_root, split), read_glyphs(right_root, split)
    rows = [rng.integers(0, len(glyphs.classes), num_images) for glyphs in (left, right)]
    canvas = np.zeros((num_images, _SIDE, _SIDE), np.uint8)
    _paint(rng, canvas, left.pictures[rows[0]], corner=0)
    _paint(rng, canvas, right.pictures[rows[1]], corner=_SIDE - GLYPH_SIZE - _SHIFTS + 1)
    return {"image": canvas[:, None], "left": left.classes[rows[0]], "right": right.classes[rows[1]]}


def _paint(rng: np.random.Generator, canvas: NDArray[np.uint8], pictures: NDArray[np.uint8], *, corner: int) -> None:
    """Place each picture at the corner, shifted a little right and down. The brighter ink is kept."""
    shifts = rng.integers(0, _SHIFTS, (2, len(pictures)))
    for down in range(_SHIFTS):
        for across in range(_SHIFTS):
            chosen = (shifts[0] == down) & (shifts[1] == across)
            top, side = corner + down, corner + across
            window = np.s_[chosen, top : top + GLYPH_SIZE, side : side + GLYPH_SIZE]
            canvas[window] = np.maximum(canvas[window], pictures[chosen])
