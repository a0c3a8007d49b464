"""`nyuv2` and `cityscapes` in the layout of LibMTL and MTAN: numbered ``.npy`` files, already small.

The files are ``root/{train,val}/{image,label,depth,normal}/0.npy`` and so on. Cityscapes has no ``normal``. Images are
``[h, w, 3]`` in [0, 1], and labels are ``[h, w]`` with -1 for unlabeled. Depth is ``[h, w, 1]`` with 0 for missing.
Normals are ``[h, w, 3]`` of unit length with the zero vector for missing.

NYUv2 has 13 classes and meters, and is published at 288x384. Cityscapes has 7 classes and *inverse* depth, and is
published at 128x256. Any other size is read too. Depth does not change with the size, because its unit does not depend
on the image. The files are the whole set, so their numbers must have no gap, and every folder must have as many.
The files of ``val`` are the test. Blocks of neighboring numbers of ``train`` validate, by the option ``val_share``.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.cache.decoded_cache import keep_decoded
from gatefront.trainer.data.dataset import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    DataDescription,
    DataError,
    DataSpec,
    MultiTaskData,
)
from gatefront.trainer.data.held_out import published_counts
from gatefront.trainer.data.io.decode import as_classes, read_array
from gatefront.trainer.data.io.file_split import Reader
from gatefront.trainer.data.options import parse_options
from gatefront.trainer.data.sources.numbered_tree import NumberedFolder, NumberedTree, find_numbered_size, load_numbered
from gatefront.trainer.data.sources.tree_size import SizedOptions, tell_size
from gatefront.trainer.data.transforms.augmentation import Augmentation, augment
from gatefront.trainer.data.transforms.resizing import Size, unit_normals
from gatefront.trainer.data.transforms.warp import LabelGeometry

_NYUV2_SIZE, _CITYSCAPES_SIZE = (288, 384), (128, 256)  # as published
_OVERSHOOT = 0.5  # of bicubic resizing, in images of 0 to 1: generously more than it can be
_IMAGES = NumberedFolder("image", ".npy", ((3,),))
_NYUV2_CLASSES = (
    "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "television",
    "wall", "window",
)  # fmt: skip
_CITYSCAPES_CLASSES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")

_NYUV2_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(_NYUV2_CLASSES)),
    Task(name="depth", kind="depth", num_outputs=1, metric="abs_err"),
    Task(name="normals", kind="normals", num_outputs=3),
)
_CITYSCAPES_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(_CITYSCAPES_CLASSES)),
    Task(name="depth", kind="depth", num_outputs=1, metric="abs_err"),
)
_PUBLISHED = Augmentation(flip=True, scales=(1.0, 1.2, 1.5), centred=False)


def describe_nyuv2(spec: DataSpec) -> DataDescription:
    """Return tasks ``semseg`` (13 classes), ``depth`` and ``normals``, with the published numbers of images."""
    return _describe(spec, _NYUV2_TASKS, _NYUV2_SIZE, _NYUV2_CLASSES, num_train=795, num_official=654)


def load_nyuv2(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, decoded once. Raise :class:`DataError` for a tree without the module's layout."""
    tree = _tree(_NYUV2_TASKS, hint="The data set `nyud` reads the multi-task survey's tree of the same images.")
    description = describe_nyuv2(spec)
    tell_size(spec.name, description.input_size, published=_NYUV2_SIZE)
    return _load(spec, cache_dir, description, tree, _PUBLISHED)


def describe_cityscapes(spec: DataSpec) -> DataDescription:
    """Return tasks ``semseg`` (7 classes) and ``depth`` (inverse), with the published numbers of images."""
    size, classes = _CITYSCAPES_SIZE, _CITYSCAPES_CLASSES
    described = _describe(spec, _CITYSCAPES_TASKS, size, classes, num_train=2975, num_official=500)
    return replace(described, depth_unit="inverse depth, as in the label files")


def load_cityscapes(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, decoded once. Raise :class:`DataError` for a tree without the module's layout."""
    tree = _tree(_CITYSCAPES_TASKS, hint="The data set `cityscapes-parts` reads auto-lambda's tree.")
    published = replace(_PUBLISHED, geometry=LabelGeometry(depth_is_inverse=True))
    description = describe_cityscapes(spec)
    tell_size(spec.name, description.input_size, published=_CITYSCAPES_SIZE)
    return _load(spec, cache_dir, description, tree, published)


def _load(
    spec: DataSpec, cache_dir: Path, description: DataDescription, tree: NumberedTree, published: Augmentation
) -> MultiTaskData:
    options = parse_options(SizedOptions, spec)
    data = load_numbered(spec, description, tree, options)
    return augment(keep_decoded(data, spec, cache_dir), options.choose(published))


def _describe(
    spec: DataSpec,
    tasks: tuple[Task, ...],
    published: Size,
    classes: tuple[str, ...],
    *,
    num_train: int,
    num_official: int,
) -> DataDescription:
    options = parse_options(SizedOptions, spec)
    return DataDescription(
        tasks=tasks,
        in_channels=3,
        input_size=find_numbered_size(spec, _IMAGES, options, published=published),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        **published_counts(num_train, num_official, options.val_share),
        class_names={"semseg": classes},
    )


def _tree(tasks: tuple[Task, ...], *, hint: str) -> NumberedTree:
    (num_classes,) = (task.num_outputs for task in tasks if task.kind == "segmentation")
    labels: dict[str, tuple[NumberedFolder, Reader]] = {
        "semseg": (NumberedFolder("label", ".npy", ((),)), partial(_read_classes, num_classes=num_classes)),
        "depth": (NumberedFolder("depth", ".npy", ((1,), ())), _read_depth),
        "normals": (NumberedFolder("normal", ".npy", ((3,),)), _read_normals),
    }
    return NumberedTree(
        images=_IMAGES,
        read_image=_read_image,
        labels={task.name: labels[task.name] for task in tasks},
        hint=hint,
    )


def _read_image(path: Path) -> Tensor:
    pixels = torch.from_numpy(read_array(path)).float().movedim(-1, 0)
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):
        overshoots = low > -_OVERSHOOT and high < 1 + _OVERSHOOT
        raise DataError(
            f"{path} has values from {low:.3g} to {high:.3g}, expected 0 to 1.",
            hint="Clip the images to 0..1: bicubic resizing overshoots at edges."
            if overshoots
            else "Divide the images by 255, or by what white is in them.",
        )
    return pixels


def _read_classes(path: Path, *, num_classes: int) -> Tensor:
    return as_classes(path, read_array(path), num_classes=num_classes, ignored=(-1,))


def _read_depth(path: Path) -> Tensor:
    depth = torch.from_numpy(read_array(path)).float()
    depth = depth.reshape(1, *depth.shape[:2])
    return torch.where(depth == 0, torch.nan, depth)


def _read_normals(path: Path) -> Tensor:
    vectors = torch.from_numpy(read_array(path)).float().movedim(-1, 0)
    return unit_normals(vectors, (vectors == 0).all(dim=0))
