"""`cityscapes-parts`: Cityscapes with three tasks, in the layout of auto-lambda.

The files are ``root/{train,val}/{image,depth,seg,part_seg}/0.png`` and so on (``part_seg``: ``.tif``), published at
256x512:

- ``image`` is RGB.
- ``depth`` has 16 bits. 0 is missing, and other numbers are 256 times the disparity plus 1. They count pixels of
  Cityscapes' full size at any size of the file. The label is in pixels of the size that the network sees.
- ``seg`` holds Cityscapes' own label numbers, of which 19 are classes and all others are ignored.
- ``part_seg`` holds numbers of Panoptic-Parts: four parts of people, five of vehicles, all others background.

The files of ``val`` are the test. Blocks of neighboring numbers of ``train`` validate, by the option ``val_share``.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.cache.decoded_cache import keep_decoded
from gatefront.trainer.data.dataset import (
    IGNORE_INDEX,
    IMAGENET_MEAN,
    IMAGENET_STD,
    DataDescription,
    DataError,
    DataSpec,
    MultiTaskData,
)
from gatefront.trainer.data.held_out import published_counts
from gatefront.trainer.data.io.decode import read_picture, read_rgb
from gatefront.trainer.data.options import parse_options
from gatefront.trainer.data.sources.numbered_tree import NumberedFolder, NumberedTree, find_numbered_size, load_numbered
from gatefront.trainer.data.sources.tree_size import PICTURE, SizedOptions, tell_size
from gatefront.trainer.data.transforms.augmentation import Augmentation, augment
from gatefront.trainer.data.transforms.warp import LabelGeometry

_SIZE = (256, 512)  # as published
_CODES_PER_PIXEL = 256
_FULL_WIDTH = 2048  # of Cityscapes' own images, in whose pixels the files count disparity
_IMAGES = NumberedFolder("image", ".png", PICTURE)

_CLASSES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""Cityscapes' label numbers that are evaluated, in the order of the classes."""
_LAST_LABEL = 33

_PERSON, _RIDER, _CAR, _TRUCK, _BUS = 24, 25, 26, 27, 28
_PART_CLASSES = (
    "background", "torso", "head", "arm", "leg", "window", "wheel", "light", "license plate", "chassis",
)  # fmt: skip
_FIRST_PART = {_PERSON: 1, _RIDER: 1, _CAR: 5, _TRUCK: 5, _BUS: 5}
_NUM_PARTS = {_PERSON: 4, _RIDER: 4, _CAR: 5, _TRUCK: 5, _BUS: 5}

_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(_CLASSES)),
    Task(name="parts", kind="segmentation", num_outputs=len(_PART_CLASSES)),
    Task(name="disparity", kind="depth", num_outputs=1, metric="abs_err"),
)
_PUBLISHED = Augmentation(flip=True, geometry=LabelGeometry(depth_is_inverse=True))


def describe(spec: DataSpec) -> DataDescription:
    """Return tasks ``semseg`` (19 classes), ``parts`` (10) and ``disparity``, with the published numbers of images."""
    options = parse_options(SizedOptions, spec)
    height, width = find_numbered_size(spec, _IMAGES, options, published=_SIZE)
    return DataDescription(
        tasks=_TASKS,
        in_channels=3,
        input_size=(height, width),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        **published_counts(2975, 500, options.val_share),
        class_names={"semseg": tuple(_CLASSES.values()), "parts": _PART_CLASSES},
        depth_unit=f"pixels of disparity at {height}x{width}",
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, decoded once. Raise :class:`DataError` for a tree without the module's layout."""
    description, options = describe(spec), parse_options(SizedOptions, spec)
    tell_size(spec.name, description.input_size, published=_SIZE)
    _, width = description.input_size
    tree = NumberedTree(
        images=_IMAGES,
        read_image=read_rgb,
        labels={
            "semseg": (NumberedFolder("seg", ".png", PICTURE), _read_semseg),
            "parts": (NumberedFolder("part_seg", ".tif", PICTURE), _read_parts),
            "disparity": (NumberedFolder("depth", ".png", PICTURE), partial(_read_disparity, width=width)),
        },
        hint="The data set `cityscapes` reads the .npy tree of LibMTL and MTAN.",
    )
    data = load_numbered(spec, description, tree, options)
    return augment(keep_decoded(data, spec, cache_dir), options.choose(_PUBLISHED))


def _read_semseg(path: Path) -> Tensor:
    labels = read_picture(path, num_channels=1).astype(np.int64)
    # 255 is the byte of -1, the license plate's number.
    wrong = (labels > _LAST_LABEL) & (labels != 255)
    if wrong.any():
        raise DataError(f"{path} has label {labels[wrong][0]} ({int(wrong.sum())} such pixels), expected 0 to 33.")
    table = np.full(256, IGNORE_INDEX)
    table[list(_CLASSES)] = range(len(_CLASSES))
    return torch.from_numpy(table[labels])


def _read_parts(path: Path) -> Tensor:
    """Read numbers ``class``, ``class instance(3)`` or ``class instance(3) part(2)``, by their digits."""
    numbers = read_picture(path, num_channels=1).astype(np.int64)
    has_part = numbers >= 100_000
    category, part = numbers // 100_000, numbers % 100
    classes = np.zeros(numbers.shape, np.int64)
    for which, first in _FIRST_PART.items():
        chosen = has_part & (category == which) & (part >= 1) & (part <= _NUM_PARTS[which])
        classes[chosen] = first + part[chosen] - 1
    return torch.from_numpy(classes)


def _read_disparity(path: Path, *, width: int) -> Tensor:
    """Return the disparity in pixels of an image ``width`` pixels wide. It shrinks with the image."""
    pixels = read_picture(path, num_channels=1)
    if pixels.dtype == np.uint8:
        raise DataError(f"{path} has 8 bits a pixel, expected 16.", hint="This looks like a picture for people.")
    codes = torch.from_numpy(pixels.astype(np.float32))[None]
    return torch.where(codes == 0, torch.nan, (codes - 1) / _CODES_PER_PIXEL * (width / _FULL_WIDTH))
