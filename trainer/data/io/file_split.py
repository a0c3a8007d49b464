"""Split whose images and labels are read from files on request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from gatefront.trainer.data.dataset import DataDescription, DataError, Sample
from gatefront.trainer.data.io.decode import read_rgb
from gatefront.trainer.data.transforms.resizing import Size, resize_image, resize_label

Reader = Callable[..., Tensor | None]
"""Function from the files of one label to the label as in :class:`Sample`; None if they hold none."""

_SAME_SHAPE = 0.02  # how far the sides of a map may be from those of its image, once both are scaled alike


@dataclass(frozen=True, slots=True)
class Record:
    """Files of one image and its labels, and the labels that are known already.

    The image has no label of a task that is in neither.
    """

    image: Path
    labels: Mapping[str, tuple[Path, ...]]
    values: Mapping[str, Tensor] = field(default_factory=dict)

    def files(self) -> Iterator[Path]:
        yield self.image
        for paths in self.labels.values():
            yield from paths


class FileSplit(Dataset[Sample]):
    """Split that reads, resizes to the description's ``input_size`` and normalizes.

    ``read_image`` returns ``[channels, h, w]``, bytes or in [0, 1]. ``readers`` has a function per task.
    """

    def __init__(
        self,
        records: Sequence[Record],
        description: DataDescription,
        readers: Mapping[str, Reader],
        *,
        read_image: Callable[[Path], Tensor] = read_rgb,
    ) -> None:
        self._records = records
        self._description = description
        self._readers = readers
        self._read_image = read_image

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        sample = self.decode(index)
        return Sample(normalise(sample.image, self._description), sample.labels)

    def decode(self, index: int) -> Sample:
        """Return the sample before its image is normalized."""
        record = self._records[index]
        image = self._read_image(record.image)
        read = {task: self._readers[task](*paths) for task, paths in record.labels.items()}
        labels = {task: label for task, label in read.items() if label is not None} | dict(record.values)
        return fit_sample(image, labels, self._description, where=str(record.image))

    def indices_with(self, task: str) -> Iterator[int]:
        """Return the samples that have a file, or a value, for a task."""
        return (i for i, record in enumerate(self._records) if task in record.labels or task in record.values)

    def image_file(self, index: int) -> Path:
        """Return the file of a sample's image."""
        return self._records[index].image

    def image_files(self) -> Iterator[Path]:
        """Yield the file of every sample's image."""
        return (record.image for record in self._records)

    def label_files(self, index: int, task: str) -> tuple[Path, ...]:
        """Return the files of a sample's label."""
        return self._records[index].labels.get(task, ())

    def files(self) -> Iterator[Path]:
        """Yield every file that the split reads."""
        for record in self._records:
            yield from record.files()


def fit_sample(image: Tensor, labels: Mapping[str, Tensor], description: DataDescription, *, where: str) -> Sample:
    """Resize an image and its labels, each of its own size, to the description's. Do not normalize the image.

    Raises:
        DataError: if a label map is not of its image's shape; ``where`` names the image.
    """
    size = description.input_size
    fitted = {}
    for task in description.tasks:
        if task.name not in labels:
            continue
        label = labels[task.name]
        if task.is_dense:
            _require_same_shape(task.name, label, image, where)
            label = resize_label(label, task.kind, size)
        fitted[task.name] = label
    return Sample(resize_image(image, size), fitted)


def normalise(images: Tensor, description: DataDescription) -> Tensor:
    """Return ``(x - mean) / std`` per channel, of ``[..., channels, h, w]`` in [0, 1], or of bytes divided by 255."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (description.mean, description.std))
    scaled = images.float() / 255 if images.dtype == torch.uint8 else images
    return (scaled - mean) / std


def _require_same_shape(task: str, label: Tensor, image: Tensor, where: str) -> None:
    (height, width), (full_height, full_width) = label.shape[-2:], image.shape[-2:]
    if _is_alike((height, width), (full_height, full_width)):
        return
    is_turned = _is_alike((width, height), (full_height, full_width))
    raise DataError(
        f"{task}: the label is {height}x{width}, its image {where} is {full_height}x{full_width}.",
        hint="One of them lies on its side. Only a picture with an EXIF orientation of its own is turned upright: "
        "save both upright."
        if is_turned
        else "Crop both alike: a label map shows what its image shows, at any resolution.",
    )


def _is_alike(size: Size, full: Size) -> bool:
    # A map may have another resolution than its image. Then both sides differ by the same factor.
    return abs(size[0] * full[1] - size[1] * full[0]) <= _SAME_SHAPE * size[0] * full[1]
