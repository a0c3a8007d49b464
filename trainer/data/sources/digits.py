"""`digits`: two overlapping handwritten digits on an oriented grating. Small, real, with conflicting tasks.

To name the left digit a network must ignore the right one and the grating, and so on for each task. Features of one
task are noise to the others, so sharing every channel costs accuracy in narrow networks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.cache.array_cache import Arrays, Split, load_generated
from gatefront.trainer.data.dataset import DataDescription, DataSpec, MultiTaskData
from gatefront.trainer.data.options import resolve_whole_numbers

_HEIGHT, _WIDTH = 12, 14
_DIGIT_SIZE = 8
_NUM_ORIENTATIONS = 4
_SOURCES: Mapping[Split, slice] = {"train": slice(1300), "val": slice(1300, 1548), "test": slice(1548, None)}
_ALL_BUT_TRAIN = slice(1300, None)
_RNG_OF: Mapping[Split, int] = {"train": 0, "val": 1, "test": 2}
_VERSION, _VERSION_WITHOUT_TEST = 2, 1
_DEFAULTS = {"train_size": 12_000, "val_size": 3_000, "test_size": 3_000, "seed": 0}
_MINIMUM = {"train_size": 1, "val_size": 1, "test_size": 0, "seed": 0}
_DIGIT_NAMES = tuple(str(digit) for digit in range(10))

_TASKS = (
    Task(name="left", kind="classification", num_outputs=10),
    Task(name="right", kind="classification", num_outputs=10),
    Task(name="orientation", kind="classification", num_outputs=_NUM_ORIENTATIONS),
)


def describe(spec: DataSpec) -> DataDescription:
    """Return tasks ``left``, ``right`` (digits) and ``orientation`` (of the grating, in steps of 45 degrees)."""
    options = resolve_whole_numbers(spec.name, spec.options, defaults=_DEFAULTS, minimum=_MINIMUM)
    return DataDescription(
        tasks=_TASKS,
        in_channels=1,
        input_size=(_HEIGHT, _WIDTH),
        mean=(0.374,),  # measured on the default training split
        std=(0.183,),
        num_train=options["train_size"],
        num_val=options["val_size"],
        num_test=options["test_size"],
        class_names={
            "left": _DIGIT_NAMES,
            "right": _DIGIT_NAMES,
            "orientation": tuple(f"{45 * step} degrees" for step in range(_NUM_ORIENTATIONS)),
        },
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, composed of source digits that no other split uses.

    Without a test split its source digits validate too, as in releases before there was one.
    """
    description = describe(spec)
    options = resolve_whole_numbers(spec.name, spec.options, defaults=_DEFAULTS, minimum=_MINIMUM)

    has_test = options["test_size"] > 0

    def render(split: Split) -> Arrays:
        sources = _SOURCES[split] if has_test or split == "train" else _ALL_BUT_TRAIN
        return _render(split, options[f"{split}_size"], options["seed"], sources)

    settings = options | {"version": _VERSION if has_test else _VERSION_WITHOUT_TEST}

    return load_generated(spec.name, settings, description, render=render, cache_dir=cache_dir)


def _render(split: Split, num_images: int, seed: int, sources: slice) -> Arrays:
    rng = np.random.default_rng([seed, _RNG_OF[split]])
    digits, classes = _source_digits(sources)
    left, right = rng.integers(0, len(digits), (2, num_images))
    orientation = rng.integers(0, _NUM_ORIENTATIONS, num_images)
    image = _overlapping_pair(rng, digits[left], digits[right]) + _grating(rng, orientation)
    image += 0.12 * rng.standard_normal(image.shape)
    # The sum reaches from about -0.6 to 1.6. Values beyond are noise.
    pixels = np.rint(255 * np.clip((image + 0.6) / 2.2, 0, 1)).astype(np.uint8)
    return {
        "image": pixels[:, None],
        "left": classes[left],
        "right": classes[right],
        "orientation": orientation.astype(np.uint8),
    }


def _source_digits(chosen: slice) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return scikit-learn's handwritten digits ``[n, 8, 8]`` in [0, 1], split before any images are composed."""
    # It is imported here because scikit-learn takes a second to import, and only rendering needs it.
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.images))
    rows = order[chosen]
    return bunch.images[rows] / 16, bunch.target[rows].astype(np.uint8)


def _overlapping_pair(
    rng: np.random.Generator, left: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Place two digits, each shifted a little, so that they share two to six columns. The brighter ink is kept."""
    num_images = len(left)
    canvas = np.zeros((num_images, _HEIGHT, _WIDTH))
    room_right = _WIDTH - _DIGIT_SIZE
    for digit, columns, rows in ((left, (0, 3), (0, 3)), (right, (room_right - 2, room_right + 1), (2, 5))):
        x = rng.integers(*columns, num_images)[:, None, None] + np.arange(_DIGIT_SIZE)
        y = rng.integers(*rows, num_images)[:, None, None] + np.arange(_DIGIT_SIZE)[:, None]
        place = (np.arange(num_images)[:, None, None], y, x)
        canvas[place] = np.maximum(canvas[place], digit)
    return canvas


def _grating(rng: np.random.Generator, orientation: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return sine gratings ``[n, h, w]`` at ``orientation`` x 45 degrees, ± 7, of random phase and contrast."""
    shape = (len(orientation), 1, 1)
    y, x = np.mgrid[:_HEIGHT, :_WIDTH]
    angle = orientation.reshape(shape) * np.pi / 4 + rng.normal(0, 0.12, shape)
    phase = rng.uniform(0, 2 * np.pi, shape)
    frequency = rng.uniform(1.2, 1.7, shape)  # radians per pixel
    contrast = rng.uniform(0.12, 0.3, shape)
    wave: NDArray[np.float64] = contrast * np.sin(frequency * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    return wave
