"""Picture files of every mode and depth: how each is read, and which are refused."""

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.io.stored_form import require_true_colors, why_numbers_differ

FULL_BYTE, FULL_WORD = 255, 65_535
IMAGE_TREATMENTS: Mapping[str, str] = {
    "RGB": "as it is",
    "L": "grey, repeated in three channels",
    "1": "black and white, repeated in three channels",
    "P": "palette, resolved to its colors",
    "LA": "grey, repeated in three channels; its alpha channel is opaque and left out",
    "PA": "palette, resolved to its colors; its alpha channel is opaque and left out",
    "RGBA": "as it is; its alpha channel is opaque and left out",
    "CMYK": "converted to RGB without its color profile",
    "YCbCr": "converted to RGB",
    "I;16": "grey of 16 bits, divided by 65535 and repeated in three channels",
    "I;16B": "grey of 16 bits, divided by 65535 and repeated in three channels",
    "F": "grey real numbers, which must lie in 0 to 1, repeated in three channels",
}
"""Conversion of each of Pillow's modes of an image. Images of all other modes are refused."""
TURNED = "turned upright by its EXIF orientation"

# Errors of Pillow for broken files. It raises SyntaxError for a broken PNG.
_FAULTS = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)
_DEEP = "as it is, 16 bits per channel, divided by 65535"
_HIGH, _LOW = ";16B", ";16L"
_WHOLE_WORDS = ("RGB;16B", "RGBA;16B")
_ON_SIDE = range(5, 9)  # EXIF orientations
_FEW_BITS = ("L;2", "L;4")


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded picture, turned upright.

    ``raw_mode`` is Pillow's name of the number format in the file. ``words`` are all 16 bits of each color channel if
    ``image`` has the upper 8 of them, else None. ``altered`` is the reason why the numbers may not be those of labels.
    """

    path: Path
    image: Image.Image
    raw_mode: str
    words: NDArray[np.uint16] | None
    altered: str | None = None

    @property
    def mode(self) -> str:
        return self.image.mode

    def require_opaque(self) -> None:
        """Raise :class:`DataError` if any pixel is transparent, as its color is then undefined."""
        if not self.image.has_transparency_data:
            return
        key = self.image.info.get("transparency")
        if self.mode.startswith("I;16"):
            transparent = np.array(self.image) == key
        elif self.words is not None and key is not None:
            transparent = (self.words == np.array(key)).all(axis=2)
        else:
            transparent = np.array(self.image.convert("RGBA").getchannel("A")) < FULL_BYTE
        if transparent.any():
            share = 100 * float(transparent.mean())
            raise DataError(
                f"{self.path} has transparent pixels ({share:.3g} %), whose color is undefined.",
                hint="Paint it over a background, and save it without transparency.",
            )

    def require_numbers(self) -> None:
        """Raise :class:`DataError` if the numbers may be other ones than those of the labels."""
        if self.altered is not None:
            raise DataError(
                f"{self.path} {self.altered}.", hint="Save the original labels as PNG, or as TIFF without compression."
            )


def open_picture(path: Path) -> Picture:
    """Decode a picture and turn it upright by its EXIF orientation.

    Raises:
        DataError: if it cannot be read, has several frames, or Pillow would drop or mix up some of its bits.
    """
    try:
        with _opened(path) as image:
            _require_one_frame(path, image)
            require_true_colors(path, image)
            raw_mode, altered = _raw_mode(image), why_numbers_differ(path, image)
            image.load()
            upright = ImageOps.exif_transpose(image)
        words = _all_bits(path, upright, raw_mode) if _is_deep(upright.mode, raw_mode) else None
    except DataError:
        raise
    except _FAULTS as error:
        raise unreadable(path, error) from error
    return Picture(path, upright, raw_mode, words, altered)


def describe_image(path: Path) -> str:
    """Return how an image is converted, by its header.

    Raises:
        DataError: it has no readable header.
    """
    try:
        with _opened(path) as image:
            deep = _is_deep(image.mode, _raw_mode(image))
            treatment = _DEEP if deep else IMAGE_TREATMENTS.get(image.mode, "refused")
            return f"{image.mode}: {treatment}" + (f"; {TURNED}" if _orientation(image) in range(2, 9) else "")
    except _FAULTS as error:
        raise unreadable(path, error) from error


def is_turned_or_deep(path: Path) -> bool:
    """Return whether an image is turned by its EXIF orientation or has more than 8 bits, by its header.

    Raises:
        DataError: it has no readable header.
    """
    try:
        with _opened(path) as image:
            is_deep = image.mode == "F" or image.mode.startswith("I;16") or _is_deep(image.mode, _raw_mode(image))
            return is_deep or _orientation(image) in range(2, 9)
    except _FAULTS as error:
        raise unreadable(path, error) from error


def upright_size(path: Path) -> tuple[int, int]:
    """Return the height and width of a picture after it is turned upright, by its header.

    Raises:
        DataError: it has no readable header.
    """
    try:
        with _opened(path) as image:
            # Pillow itself swaps width and height of a TIFF.
            is_on_side = image.format != "TIFF" and _orientation(image) in _ON_SIDE
            return (image.width, image.height) if is_on_side else (image.height, image.width)
    except _FAULTS as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for a file that a library could not read."""
    if isinstance(error, UnidentifiedImageError):
        # Pillow's own message names the object that was opened.
        return DataError(
            f"{path} cannot be read: it is no picture of a known format.", hint="Copy the file again, or remove it."
        )
    reason = getattr(error, "strerror", None) or str(error).rstrip(".")  # without the name of the file
    return DataError(f"{path} cannot be read: {reason}.", hint="Copy the file again.")


def has_few_bits(raw_mode: str) -> bool:
    """Return whether the mode is gray of 2 or 4 bits, whose numbers Pillow stretches to 0 to 255."""
    return raw_mode.startswith(_FEW_BITS)


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    # Pillow maps a TIFF with a file name into memory, and then mixes up its pixels if it lies on its side.
    with path.open("rb") as file, Image.open(file) as image:
        yield image


def _require_one_frame(path: Path, image: ImageFile.ImageFile) -> None:
    # A camera's MPO holds the photograph first, and then previews of it.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"{path} has {frames} frames or pages, expected one.", hint="Save each as a file of its own.")


def _orientation(image: ImageFile.ImageFile) -> int:
    # For a PNG, `getexif` decodes the pixels in search of a late chunk.
    exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
    return int(exif.get(ExifTags.Base.Orientation, 1))


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """Return the number format of the file; empty if the format does not state it."""
    if not image.tile:
        return ""
    arguments: Any = image.tile[0].args
    found = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return found if isinstance(found, str) else ""


def _is_deep(mode: str, raw_mode: str) -> bool:
    return ";16" in raw_mode and not mode.startswith("I")


def _all_bits(path: Path, image: Image.Image, raw_mode: str) -> NDArray[np.uint16]:
    """Return the channels with 16 bits each, read as two bytes because Pillow has no such mode."""
    with _opened(path) as again:
        if again.format != "PNG" or raw_mode not in _WHOLE_WORDS:
            raise DataError(
                f"{path} has 16 bits per channel in a form of which only 8 can be read (found {raw_mode}).",
                hint="Save it as an RGB or grey PNG of 16 bits per channel, or with 8 bits.",
            )
        again.tile = [tile._replace(args=raw_mode.replace(_HIGH, _LOW)) for tile in again.tile]
        low = np.array(ImageOps.exif_transpose(again))
    words: NDArray[np.uint16] = np.array(image).astype(np.uint16) * np.uint16(256) + low
    return words
