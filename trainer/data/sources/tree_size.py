"""The one size of a tree's images and labels: that of its first image, required of every file, or an option."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.held_out import VAL_SHARE, require_share
from gatefront.trainer.data.io.file_split import Reader
from gatefront.trainer.data.io.folder_listing import header_shape
from gatefront.trainer.data.options import require_option
from gatefront.trainer.data.transforms.augmentation import AugmentOptions
from gatefront.trainer.data.transforms.resizing import Size

logger = logging.getLogger(__name__)

_MIN_SIDE = 8
_SIZE_TEXT = re.compile(r"(\d{1,5})x(\d{1,5})")

Channels = tuple[tuple[int, ...], ...]
"""Axes that may follow height and width in an array's shape: ``((3,),)`` or ``((), (1,))``. Pictures have ``()``."""

PICTURE: Channels = ((),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedOptions(AugmentOptions):
    """Options with ``size``, such as ``"240x320"`` (height x width), to which images and labels are resized.

    None keeps the sizes of the files, which must all be equal. ``val_share`` is the share of the training samples that
    validate (:func:`gatefront.trainer.data.held_out.make_splits`).
    """

    size: str | None = None
    val_share: float = VAL_SHARE

    def __post_init__(self) -> None:
        AugmentOptions.__post_init__(self)
        rule = f'height x width, such as "240x320", each at least {_MIN_SIDE}'
        require_option("size", self.size, rule, self.size is None or min(self.resized_to() or (0,)) >= _MIN_SIDE)
        require_share(self.val_share)

    def resized_to(self) -> Size | None:
        """Return the wanted ``(height, width)``; None if the study names none."""
        found = None if self.size is None else _SIZE_TEXT.fullmatch(self.size)
        return None if found is None else (int(found[1]), int(found[2]))


def find_size(first_image: Path | None, channels: Channels, options: SizedOptions, *, published: Size) -> Size:
    """Return the ``(height, width)`` that a network will see.

    Args:
        first_image: the first training image; None, or a missing file, if the tree does not exist here.
        channels: the axes that may follow height and width in the shape of an image.
        options: the study's options, whose ``size`` takes precedence.
        published: the size to return if the tree cannot show it.

    Returns:
        The size, in pixels.

    Raises:
        DataError: the image cannot be read.
    """
    wanted = options.resized_to()
    if wanted is not None:
        return wanted
    if first_image is None or not first_image.is_file():
        return published
    shape = header_shape(first_image)
    return (shape[0], shape[1]) if _is_layout(shape, channels) else published


def tell_size(name: str, size: Size, *, published: Size) -> None:
    """Log if a data set is not read at its published size, as its figures then do not compare with published ones."""
    if size != published:
        text = "data %s is read at %s and published at %s: its figures do not compare with published ones"
        logger.info(text, name, _dimensions(size), _dimensions(published))


def require_one_size(
    paths: Sequence[Path], channels: Channels, *, size: Size | None, first_image: Path, hint: str = ""
) -> None:
    """Require a layout of every array and picture, and the size of the first image. Only headers are read.

    Args:
        paths: the files.
        channels: the axes that may follow height and width in their shapes.
        size: the size of ``first_image``; None if files are resized anyway.
        first_image: the image that the others are compared with.
        hint: where another layout of the same data set is read.

    Raises:
        DataError: a file has another layout or another size. The message names the first one and their number.
    """
    shapes = [(path, header_shape(path)) for path in paths]
    foreign = [(path, shape) for path, shape in shapes if not _is_layout(shape, channels)]
    if foreign:
        path, shape = foreign[0]
        expected = " or ".join(" x ".join(["height", "width", *map(str, more)]) for more in channels)
        raise DataError(
            f"{path} is {_dimensions(shape)}, expected {expected} ({len(foreign)} of {len(paths)} files differ).",
            hint=hint or "This is another layout of the data set; docs/datasets.md shows the one that is read.",
        )
    others = [(path, (shape[0], shape[1])) for path, shape in shapes if size not in (None, shape[:2])]
    if others and size is not None:
        path, found = others[0]
        raise mixed_sizes(path, found, first_image, size, count=f" ({len(others)} of {len(paths)} files differ)")


def require_size(reader: Reader, size: Size, first_image: Path) -> Reader:
    """Wrap a reader of dense labels whose headers lack their size. Labels must have ``size``, like ``first_image``."""

    def read(path: Path) -> Tensor | None:
        label = reader(path)
        if label is not None and label.shape[-2:] != size:
            raise mixed_sizes(path, (label.shape[-2], label.shape[-1]), first_image, size)
        return label

    return read


def mixed_sizes(path: Path, found: Size, first_image: Path, size: Size, *, count: str = "") -> DataError:
    """Return the error for two files of one tree with different sizes."""
    return DataError(
        f"{path} is {_dimensions(found)}, {first_image} is {_dimensions(size)}{count}.",
        hint=f'Set size = "{_dimensions(size)}" in [data.options] to resize all images and labels to one size.',
    )


def _is_layout(shape: tuple[int, ...], channels: Channels) -> bool:
    return len(shape) >= 2 and shape[2:] in channels


def _dimensions(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
