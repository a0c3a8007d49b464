"""CelebA: its tasks, its options, its splits.

``root``, or ``root/celeba``, is in one of three layouts:

- torchvision's: ``list_attr_celeba.txt``, ``list_eval_partition.txt``, ``img_align_celeba/NAME.jpg``;
- the official release: ``Anno/list_attr_celeba.txt``, ``Eval/list_eval_partition.txt``, ``Img/img_align_celeba/``;
- the CSV mirror: ``list_attr_celeba.csv``, ``list_eval_partition.csv``, ``img_align_celeba/img_align_celeba/``.

Images are the aligned ones, published at 178x218 and all of one size, resized to a square. An attribute is -1 or 1 in
the files; none is missing. Partition 0 is trained on, 1 is validated on, and 2 is the test. No person is in two of
them. If the study validates on 2, as some published work does, there is no test split.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gatefront.trainer.checkpoints.content_hash import hash_file, hash_json
from gatefront.trainer.data.cache.decoded_cache import keep_decoded
from gatefront.trainer.data.dataset import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    DataDescription,
    DataError,
    DataSpec,
    MultiTaskData,
    Sample,
    split_sizes,
)
from gatefront.trainer.data.io.decode import read_rgb
from gatefront.trainer.data.io.file_split import fit_sample, normalise
from gatefront.trainer.data.io.folder_listing import header_shape, reachable, require_root
from gatefront.trainer.data.options import parse_options, require_option
from gatefront.trainer.data.sources.celeba.attributes import ATTRIBUTES, as_task, select_tasks
from gatefront.trainer.data.sources.celeba.layout import find_layout
from gatefront.trainer.data.sources.celeba.tables import Faces, read_tables
from gatefront.trainer.data.transforms.augmentation import Augmentation, AugmentOptions, augment

_SPLIT_NUMBER = {"train": 0, "val": 1, "test": 2}
_PUBLISHED_SIZE = {"train": 162_770, "val": 19_867, "test": 19_962}


@dataclass(frozen=True, slots=True, kw_only=True)
class CelebaOptions(AugmentOptions):
    """Options of CelebA.

    ``size`` is in pixels. :func:`select_tasks` reads ``tasks``. ``validate_on`` is the split to validate
    with; ``"test"`` leaves no test split.
    """

    size: int = 64
    tasks: str = "attributes"
    validate_on: Literal["val", "test"] = "val"

    def __post_init__(self) -> None:
        AugmentOptions.__post_init__(self)
        require_option("size", self.size, "at least 8", self.size >= 8)


def describe(spec: DataSpec) -> DataDescription:
    """Return one task per attribute or group at ``size`` x ``size``, with the published numbers of images."""
    options = parse_options(CelebaOptions, spec)
    chosen = select_tasks(options.tasks)
    return DataDescription(
        tasks=tuple(as_task(name, attributes) for name, attributes in chosen.items()),
        in_channels=3,
        input_size=(options.size, options.size),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        num_train=_PUBLISHED_SIZE["train"],
        num_val=_PUBLISHED_SIZE[options.validate_on],
        num_test=_PUBLISHED_SIZE["test"] if options.validate_on == "val" else 0,
        class_names={
            name: ("no", "yes") if len(attributes) == 1 else attributes for name, attributes in chosen.items()
        },
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, decoded once.

    Raises:
        DataError: there is no root, it has no known layout, or its tables and images do not match.
    """
    description, options = describe(spec), parse_options(CelebaOptions, spec)
    layout = find_layout(require_root(spec, holds="list_attr_celeba.txt, or Anno/, Eval/ and Img/"))
    faces = read_tables(layout.attributes, layout.partition)
    stamps = _require_images(layout.images, faces.names)
    chosen = select_tasks(options.tasks)
    numbers = _partitions(options, faces, layout.partition)
    splits = {name: CelebaSplit(layout.images, faces, number, description, chosen) for name, number in numbers.items()}
    tables = [hash_file(layout.attributes), hash_file(layout.partition)]
    data = MultiTaskData(
        description=replace(description, **split_sizes(splits)),
        train=splits["train"],
        val=splits["val"],
        test=splits.get("test"),
        # Unlike `reading_stamps`, this does not look for turned images or those of 16 bits. 200,000 headers would take
        # every worker a quarter of a minute, and the aligned images, which a program wrote, have neither.
        fingerprint=hash_json(
            {"options": [options.size, options.tasks, options.validate_on], "files": tables + stamps}
        ),
    )
    return augment(keep_decoded(data, spec, cache_dir), options.choose(Augmentation(flip=True)))


def _partitions(options: CelebaOptions, faces: Faces, path: Path) -> dict[str, int]:
    """Return the number of the partition of each split. Raise :class:`DataError` for one without an image."""
    numbers = {"train": _SPLIT_NUMBER["train"], "val": _SPLIT_NUMBER[options.validate_on]}
    if options.validate_on == "val":
        numbers["test"] = _SPLIT_NUMBER["test"]
    for split, number in numbers.items():
        if not (faces.split == number).any():
            raise DataError(f"{path}: no image is in partition {number} ({split}).")
    return numbers


class CelebaSplit(Dataset[Sample]):
    """Faces of one partition."""

    def __init__(
        self,
        images: Path,
        faces: Faces,
        number: int,
        description: DataDescription,
        chosen: dict[str, tuple[str, ...]],
    ) -> None:
        rows = np.flatnonzero(faces.split == number)
        self._images = images
        self._first_image = images / faces.names[0]
        self._size = header_shape(self._first_image)
        self._names = [faces.names[row] for row in rows]
        self._attributes = faces.attributes[rows]
        self._columns = {name: [ATTRIBUTES.index(a) for a in attributes] for name, attributes in chosen.items()}
        self._description = description

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        sample = self.decode(index)
        return Sample(normalise(sample.image, self._description), sample.labels)

    def files(self) -> Iterator[Path]:
        """Yield every file that the split reads."""
        return (self._images / name for name in self._names)

    def image_file(self, index: int) -> Path:
        """Return the file of a sample's image."""
        return self._images / self._names[index]

    def label_files(self, _index: int, _task: str) -> tuple[Path, ...]:
        """Return nothing, because all labels come from one table."""
        return ()

    def decode(self, index: int) -> Sample:
        """Return the sample before its image is normalized."""
        path = self._images / self._names[index]
        image = read_rgb(path)
        if image.shape[-2:] != self._size:
            (height, width), (own_height, own_width) = self._size, image.shape[-2:]
            raise DataError(
                f"{path} is {own_height}x{own_width}, {self._first_image} is {height}x{width}.",
                hint="Use the aligned images (img_align_celeba): they are all of one size, the others are not.",
            )
        shown = self._attributes[index]
        labels = {name: _label(shown, columns) for name, columns in self._columns.items()}
        return fit_sample(image, labels, self._description, where=str(path))


def _label(shown: NDArray[np.int8], columns: list[int]) -> Tensor:
    if len(columns) == 1:
        return torch.tensor(int(shown[columns[0]]))
    return torch.from_numpy(shown[columns].astype(np.float32))


def _require_images(folder: Path, names: Sequence[str]) -> list[str]:
    """Require that every image exists. Return a stamp per image that shows whether it changed."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry for entry in entries}
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{folder / missing[0]} is missing ({len(missing)} of {len(names)} images are).")
    stats = {name: _stat(found[name]) for name in names}
    return [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items()]


def _stat(entry: "os.DirEntry[str]") -> os.stat_result:
    try:
        return entry.stat()  # many times faster than by its path
    except OSError:
        return reachable(Path(entry.path))
