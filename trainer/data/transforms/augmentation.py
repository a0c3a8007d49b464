"""Augmentation: training images, and their labels with them, changed anew every epoch."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Generator
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.data.dataset import MultiTaskData, Sample
from gatefront.trainer.data.labelled import KnowsItsLabels
from gatefront.trainer.data.options import require_option
from gatefront.trainer.data.transforms.resizing import Size
from gatefront.trainer.data.transforms.warp import LabelGeometry, Warp, warp_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Possible changes of an image: mirrored with probability 1/2, zoomed, turned by up to ``rotation`` degrees.

    The zoom is one of ``scales``, or if there are none, uniform in ``scale_range``. It is about the middle if
    ``centred``. Otherwise the visible window, or the place of a smaller image, is drawn too.
    """

    flip: bool = False
    scales: tuple[float, ...] = ()
    scale_range: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0
    centred: bool = True
    geometry: LabelGeometry = field(default_factory=LabelGeometry)

    def draw(self, size: Size, generator: Generator) -> Warp:
        """Draw one change of an image of this size."""
        dice = torch.rand(5, generator=generator).tolist()
        low, high = self.scale_range
        scale = self.scales[int(dice[1] * len(self.scales))] if self.scales else low + (high - low) * dice[1]
        free = 0.0 if self.centred else abs(1 - 1 / scale)
        down, right = (free * side * (die - 0.5) for side, die in zip(size, dice[3:], strict=True))
        return Warp(
            flip=self.flip and dice[0] < 0.5,
            scale=scale,
            angle=math.radians(self.rotation) * (2 * dice[2] - 1),
            centre=(down, right),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """Options of data sets whose images can be changed.

    ``augment`` selects the changes of published work on the set. Each other option replaces one of them, with or
    without it: ``flip``, zooms from ``scale_low`` to ``scale_high``, ``rotation`` in degrees either way.
    """

    augment: bool = False
    flip: bool | None = None
    scale_low: float | None = None
    scale_high: float | None = None
    rotation: float | None = None

    def __post_init__(self) -> None:
        low, high = self.scale_low, self.scale_high
        require_option("scale_low", low, "above 0", low is None or low > 0)
        require_option("scale_high", high, "above 0", high is None or high > 0)
        require_option("scale_low", low, "at most scale_high", (low or 1.0) <= (high or 1.0))
        require_option("rotation", self.rotation, "between 0 and 180", 0 <= (self.rotation or 0.0) <= 180)

    def choose(self, published: Augmentation) -> Augmentation:
        """Return the augmentation of the options. ``published`` also holds the geometry of the labels."""
        start = published if self.augment else Augmentation(centred=published.centred, geometry=published.geometry)
        if self.flip is not None:
            start = replace(start, flip=self.flip)
        if self.scale_low is not None or self.scale_high is not None:
            start = replace(start, scales=(), scale_range=(self.scale_low or 1.0, self.scale_high or 1.0))
        return start if self.rotation is None else replace(start, rotation=self.rotation)


@runtime_checkable
class ChangesWithEpoch(Protocol):
    """Split that shows its samples differently in each epoch. Equal keys give equal samples.

    Only the labels of ``tasks`` are needed; None means all.
    """

    def at_epoch(self, key: int, tasks: Sequence[Task] | None = None) -> Dataset[Sample]: ...


class AugmentedSplit(Dataset[Sample]):
    """Samples of a split, which are unchanged until :meth:`at_epoch` sets an epoch."""

    def __init__(
        self, split: Dataset[Sample], tasks: Sequence[Task], augmentation: Augmentation, key: int | None = None
    ) -> None:
        self._split = split
        self._tasks = tuple(tasks)
        self._augmentation = augmentation
        self._key = key

    def __len__(self) -> int:
        return len(self._split)  # type: ignore[arg-type]  # torch leaves __len__ to each data set

    @property
    def unchanged(self) -> Dataset[Sample]:
        """The split without changes."""
        return self._split

    def __getitem__(self, index: int) -> Sample:
        sample = self._split[index]
        if self._key is None:
            return sample
        # The seed depends on epoch and index only, so that neither workers nor an interruption change the samples.
        generator = Generator().manual_seed((self._key * 2_654_435_761 + index) % 2**63)
        _, height, width = sample.image.shape
        warp = self._augmentation.draw((height, width), generator)
        asked = {task.name: sample.labels[task.name] for task in self._tasks if task.name in sample.labels}
        return warp_sample(Sample(sample.image, asked), self._tasks, warp, self._augmentation.geometry)

    def at_epoch(self, key: int, tasks: Sequence[Task] | None = None) -> "AugmentedSplit":
        # A network of one task needs no other labels, and changing them takes most of the time.
        return AugmentedSplit(self._split, self._tasks if tasks is None else tasks, self._augmentation, key)

    def indices_with(self, task: str) -> Iterable[int]:
        """Return the samples that may have the task's label."""
        return self._split.indices_with(task) if isinstance(self._split, KnowsItsLabels) else range(len(self))


def augment(data: MultiTaskData, augmentation: Augmentation) -> MultiTaskData:
    """Return the data with changed training images; the same object if nothing is to change.

    The fingerprint changes too, because a training on other images gives another reference.
    """
    if augmentation == Augmentation(centred=augmentation.centred, geometry=augmentation.geometry):
        return data
    return replace(
        data,
        train=AugmentedSplit(data.train, data.description.tasks, augmentation),
        fingerprint=hash_json([data.fingerprint, asdict(augmentation)]),
    )
