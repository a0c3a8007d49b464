"""The contract of a multi-task data set: what it says of itself, what its items are, how a gap is marked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task, require_distinct_names
from gatefront.spaces.errors import GatefrontError, SpaceError

IGNORE_INDEX = -100
"""Marks a missing class label (torch's own default); missing real values are NaN."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Per channel, of photographs: what pretrained backbones expect."""

OptionValue = int | float | str | bool


class DataError(GatefrontError, ValueError):
    """A data set that does not exist, an option it does not have, or a folder that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Which data set a study uses. ``root`` is the folder of its files; sets that are generated have none.

    ``cache`` says how much disk decoded samples may take: ``"auto"``, ``"off"`` or a size such as ``"20 GiB"``. It
    changes no sample.
    """

    name: str
    root: str | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    cache: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDescription:
    """What a network must know of its data before any of it is read.

    ``input_size`` is ``(height, width)`` in pixels. Images arrive as ``(x - mean) / std`` per channel with x in
    [0, 1]. ``class_names`` has one entry per task with classes. ``ignored_classes`` lists per task the classes that no
    label can have, as their numbers are ignored. ``depth_unit`` is what depth labels count.
    """

    tasks: tuple[Task, ...]
    in_channels: int
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_train: int
    num_val: int
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignored_classes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    depth_unit: str = "metres"

    def __post_init__(self) -> None:
        try:
            require_distinct_names(task.name for task in self.tasks)
        except SpaceError as error:
            raise DataError(f"Cannot use these data: {error.message}", hint=error.hint) from error


@dataclass(frozen=True, slots=True)
class Sample:
    """One image ``[channels, height, width]``, normalised, with the labels it has; any may be missing.

    Labels by kind: classification ``[]`` and segmentation ``[h, w]``, int64 with :data:`IGNORE_INDEX` where
    unknown; multilabel ``[attributes]`` in {0, 1}, depth ``[1, h, w]`` in metres, normals ``[3, h, w]`` of unit
    length, edges and saliency ``[1, h, w]`` in {0, 1}, float32 with NaN where unknown.
    """

    image: Tensor
    labels: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """Images ``[batch, channels, height, width]`` and, per task, the labels of :class:`Sample` stacked."""

    images: Tensor
    labels: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.images)


@runtime_checkable
class NamesFiles(Protocol):
    """A split that knows from which files its samples are read."""

    def image_file(self, index: int) -> Path:
        """Return the file of a sample's image."""
        ...

    def label_files(self, index: int, task: str) -> tuple[Path, ...]:
        """Return the files of a sample's label; none for a label that is missing or comes from a table."""
        ...


@dataclass(frozen=True, slots=True)
class UnusedFiles:
    """Files or folders beside the data that nothing is read from: the first, how many there are, and why."""

    first: Path
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiTaskData:
    """A data set ready to train on. Equal ``fingerprint`` means equal content, down to the last byte.

    The two splits are torch data sets of :class:`Sample`. One that can fetch many at once offers
    ``__getitems__(indices)`` returning a :class:`Batch`. ``files`` tells from which files the samples of ``train`` and
    ``val`` were read, for splits that know it, however they are kept since. ``unused`` lists what was left out.
    """

    description: DataDescription
    train: Dataset[Sample]
    val: Dataset[Sample]
    fingerprint: str
    files: Mapping[str, NamesFiles] = field(default_factory=dict)
    unused: tuple[UnusedFiles, ...] = ()

    def __post_init__(self) -> None:
        if not self.files:
            splits = {"train": self.train, "val": self.val}
            found = {name: split for name, split in splits.items() if isinstance(split, NamesFiles)}
            object.__setattr__(self, "files", found)
