"""`nyud`: NYUD-v2 in the layout of the multi-task survey (NYUD_MT): classes, depth and normals of indoor scenes.

``root/gt_sets/{train,val}.txt`` name the images; for each name there are ``images/NAME.jpg`` and, as far as it is
labelled, ``segmentation/NAME.png`` (0 unlabelled, 1..40 a class), ``depth/NAME.npy`` (metres, 0 missing) and
``normals/NAME.npy`` (``[h, w, 3]``, zero vector missing).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from spaces.tasks import Task
from trainer.content_hash import hash_json
from trainer.data.dataset import (
    IGNORE_INDEX,
    IMAGENET_MEAN,
    IMAGENET_STD,
    DataDescription,
    DataError,
    DataSpec,
    MultiTaskData,
    Sample,
)
from trainer.data.options import refuse_options

_HEIGHT, _WIDTH = 480, 640
_CLASS_NAMES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip

_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(_CLASS_NAMES)),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)


def describe(spec: DataSpec) -> DataDescription:
    """Tasks ``semseg`` (40 classes), ``depth`` and ``normals`` at 480x640, with the published numbers of images."""
    refuse_options(spec)
    return DataDescription(
        tasks=_TASKS,
        in_channels=3,
        input_size=(_HEIGHT, _WIDTH),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        num_train=795,
        num_val=654,
        class_names={"semseg": _CLASS_NAMES},
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Both splits, read image by image as they are asked for; nothing is cached.

    Raises:
        DataError: there is no root, a list or an image is missing, or labels are in another layout.
    """
    description = describe(spec)
    root = _root(spec)
    train, val = (NyudSplit(root, _names(root, split), description) for split in ("train", "val"))
    return MultiTaskData(
        description=replace(description, num_train=len(train), num_val=len(val)),
        train=train,
        val=val,
        fingerprint=hash_json({"train": train.stamps(), "val": val.stamps()}),
    )


class NyudSplit(Dataset[Sample]):
    """The images of one list, each with the labels it has files for."""

    def __init__(self, root: Path, names: list[str], description: DataDescription) -> None:
        self._root = root
        self._names = names
        self._mean = torch.tensor(description.mean).view(-1, 1, 1)
        self._std = torch.tensor(description.std).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        name = self._names[index]
        path = self._root / "images" / f"{name}.jpg"
        with Image.open(path) as image:
            pixels = _sized(path, np.asarray(image.convert("RGB")))
        labels = {}
        for task, (folder, suffix, read) in _READERS.items():
            path = self._root / folder / f"{name}{suffix}"
            if path.exists():
                labels[task] = read(path)
        image_01 = torch.from_numpy(pixels.copy()).movedim(-1, 0).float() / 255
        return Sample((image_01 - self._mean) / self._std, labels)

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of every file: hashing gigabytes would take longer than reading a record."""
        folders = [("images", ".jpg"), *((folder, suffix) for folder, suffix, _ in _READERS.values())]
        paths = [self._root / folder / f"{name}{suffix}" for name in self._names for folder, suffix in folders]
        found = [(path, path.stat()) for path in paths if path.exists()]
        return {str(path.relative_to(self._root)): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


def _root(spec: DataSpec) -> Path:
    if spec.root is None:
        raise DataError(
            "data nyud needs its files.", hint="Set data.root to the folder that holds gt_sets/ and images/."
        )
    root = Path(spec.root)
    for task, (folder, suffix, _) in _READERS.items():
        suffixes = {path.suffix for path in (root / folder).iterdir()} if (root / folder).is_dir() else set()
        if suffix not in suffixes:
            found = ", ".join(sorted(suffixes)) or "none"
            raise DataError(
                f"{task}: {root / folder} has no {suffix} files, found {found}.",
                hint="This is not the survey's layout of NYUD-v2; other archives of that name keep labels differently.",
            )
    return root


def _names(root: Path, split: str) -> list[str]:
    path = root / "gt_sets" / f"{split}.txt"
    try:
        names = path.read_text().split()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", hint="Give the folder that holds gt_sets/."
        ) from error
    missing = [name for name in names if not (root / "images" / f"{name}.jpg").exists()]
    if missing or not names:
        raise DataError(f"{path} names {len(names)} images, of which {len(missing)} are not in {root / 'images'}.")
    return names


def _sized(path: Path, array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.shape[:2] != (_HEIGHT, _WIDTH):
        raise DataError(f"{path} is {array.shape[0]}x{array.shape[1]}, expected {_HEIGHT}x{_WIDTH}.")
    return array


def _read_semseg(path: Path) -> Tensor:
    with Image.open(path) as image:
        classes = torch.from_numpy(_sized(path, np.asarray(image)).astype(np.int64))
    return torch.where(classes == 0, IGNORE_INDEX, classes - 1)


def _read_depth(path: Path) -> Tensor:
    metres = torch.from_numpy(_sized(path, np.load(path)).astype(np.float32)).reshape(1, _HEIGHT, _WIDTH)
    return torch.where(metres == 0, torch.nan, metres)


def _read_normals(path: Path) -> Tensor:
    normals = torch.from_numpy(_sized(path, np.load(path)).astype(np.float32)).movedim(-1, 0)
    length = normals.norm(dim=0, keepdim=True)
    return torch.where(length == 0, torch.nan, normals / length)


_READERS: dict[str, tuple[str, str, Callable[[Path], Tensor]]] = {
    "semseg": ("segmentation", ".png", _read_semseg),
    "depth": ("depth", ".npy", _read_depth),
    "normals": ("normals", ".npy", _read_normals),
}
