"""Interface of multi-task data sets: their description, their items, and the marks of missing labels."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, runtime_checkable

from gatefront.spaces.architecture.tasks import Task, require_distinct_names
from gatefront.spaces.errors import GatefrontError, SpaceError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

IGNORE_INDEX = -100
"""Mark of a missing class label (torch's own default). Missing real values are NaN."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of photographs per channel, as pretrained backbones expect them."""

OptionValue = int | float | str | bool


class DataError(GatefrontError, ValueError):
    """Error for a data set, option or folder that does not exist, or for files that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Data set of a study. ``root`` is the folder of its files; None for sets that are generated.

    ``cache`` limits the disk space of decoded samples: ``"auto"``, ``"off"`` or a size such as ``"20 GiB"``. It changes
    no sample.
    """

    name: str
    root: str | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    cache: str = "auto"


class SplitSizes(TypedDict):
    """Numbers of samples by split, called as the fields of a description."""

    num_train: int
    num_val: int
    num_test: int


def split_sizes(splits: Mapping[str, Sized]) -> SplitSizes:
    """Return the numbers of samples of splits by name, of which ``test`` may be missing."""
    return SplitSizes(num_train=len(splits["train"]), num_val=len(splits["val"]), num_test=len(splits.get("test", ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDescription:
    """Facts on the data that a network needs before any of it is read.

    ``input_size`` is ``(height, width)`` in pixels. Images arrive as ``(x - mean) / std`` per channel with x in [0, 1].
    ``class_names`` has one entry per task with classes. ``ignored_classes`` lists per task the classes that no label
    can have, because their numbers are ignored. ``depth_unit`` is the unit of depth labels. Without a test split,
    ``num_test`` is 0.
    """

    tasks: tuple[Task, ...]
    in_channels: int
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_train: int
    num_val: int
    num_test: int = 0
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
    """Image ``[channels, height, width]``, normalized, with the labels it has; any may be missing.

    Labels by kind are as follows. Those of classes are int64 with :data:`IGNORE_INDEX` where unknown, all others
    float32 with NaN where unknown.

    - classification ``[]`` and segmentation ``[h, w]``: classes;
    - multilabel ``[attributes]`` in {0, 1};
    - depth ``[1, h, w]`` in meters;
    - normals ``[3, h, w]`` of unit length;
    - edges and saliency ``[1, h, w]`` in {0, 1}.
    """

    image: "Tensor"
    labels: Mapping[str, "Tensor"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Images ``[batch, channels, height, width]`` and, per task, the labels of :class:`Sample` stacked.

    ``teacher_outputs`` are raw outputs of trained networks on these images, for tasks that have a teacher.
    """

    images: "Tensor"
    labels: Mapping[str, "Tensor"]
    teacher_outputs: Mapping[str, "Tensor"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)


@runtime_checkable
class NamesFiles(Protocol):
    """Split that knows the files of its samples."""

    def image_file(self, index: int) -> Path:
        """Return the file of a sample's image."""
        ...

    def label_files(self, index: int, task: str) -> tuple[Path, ...]:
        """Return the files of a sample's label; none for a label that is missing or comes from a table."""
        ...


@dataclass(frozen=True, slots=True)
class UnusedFiles:
    """Files or folders beside the data that are not read: the first one, their number, and the reason."""

    first: Path
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiTaskData:
    """Data set ready to train on. Equal ``fingerprint`` means equal content, down to the last byte.

    The splits are torch data sets of :class:`Sample`. A split that reads many samples at once has
    ``__getitems__(indices)``, which returns a :class:`Batch`. Training sees ``train``, and everything that selects sees
    ``val``. No choice depends on ``test``; None means that the data have validation figures only. ``files`` holds the
    splits that know the files of their samples, also if the samples are cached since. ``unused`` lists the files that
    were left out.
    """

    description: DataDescription
    train: "Dataset[Sample]"
    val: "Dataset[Sample]"
    fingerprint: str
    test: "Dataset[Sample] | None" = None
    files: Mapping[str, NamesFiles] = field(default_factory=dict)
    unused: tuple[UnusedFiles, ...] = ()

    def __post_init__(self) -> None:
        if (self.test is None) != (self.description.num_test == 0):
            raise DataError(
                f"Cannot use these data: the description has num_test = {self.description.num_test} "
                f"(found {'no' if self.test is None else 'a'} test split).",
                hint="Give the description the number of test samples.",
            )
        if not self.files:
            found = {name: split for name, split in self.splits.items() if isinstance(split, NamesFiles)}
            object.__setattr__(self, "files", found)

    @property
    def splits(self) -> "dict[str, Dataset[Sample]]":
        """The splits by name: ``train``, ``val`` and, if the data have one, ``test``."""
        splits = {"train": self.train, "val": self.val}
        return splits if self.test is None else {**splits, "test": self.test}

    @property
    def test_split(self) -> "Dataset[Sample]":
        """The test split. Raise :class:`DataError` if the data have none."""
        if self.test is None:
            raise DataError(
                "Cannot measure on the test split: these data have train and val alone (found no test split).",
                hint="Add a test split, or use the validation figures.",
            )
        return self.test
