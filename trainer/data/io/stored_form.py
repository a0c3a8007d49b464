"""Forms of storage that change a picture's numbers on the way to a file or back, found by the file's header."""

from pathlib import Path

from PIL import Image, TiffImagePlugin
from PIL.TiffTags import TAGS_V2

from gatefront.trainer.data.dataset import DataError

_LOSSY_FORMATS = ("AVIF", "JPEG", "JPEG2000", "MPO", "WEBP")
_LOSSY_COMPRESSIONS = ("jpeg", "tiff_jpeg", "webp")  # of a TIFF
_OWN_ENDINGS = (".jpeg", ".jpg")
_TAGS = {info.name: number for number, info in TAGS_V2.items()}
_WHITE_IS_ZERO, _SEPARATE_PLANES, _SIGNED = 0, 2, 2
_BYTE = 8


def why_numbers_differ(path: Path, image: Image.Image) -> str | None:
    """Return why the numbers that are read may not be those of the labels; None: they are.

    Colors are the same either way. A file that is called ``.jpg`` is what it says.

    Args:
        path: the file.
        image: the file, opened and not changed since.
    """
    compression = str(image.info.get("compression"))
    is_disguised = image.format in _LOSSY_FORMATS and path.suffix.lower() not in _OWN_ENDINGS
    if is_disguised or compression in _LOSSY_COMPRESSIONS:
        found = image.format if is_disguised else compression.upper()
        return f"is compressed as {found}, which changes the numbers of labels"
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = _bits(image)
        if bits > 1 and _tag(image, "PhotometricInterpretation") == _WHITE_IS_ZERO:
            return "stores white as 0, so that its numbers are read the other way round"
        if bits == _BYTE and _tag(image, "SampleFormat") == _SIGNED:
            return "has signed numbers of 8 bits, which are read as 0 to 255"
    return None


def require_true_colors(path: Path, image: Image.Image) -> None:
    """Raise :class:`DataError` for a TIFF of more than 8 bits that Pillow reads as other colors without a word."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or _bits(image) <= _BYTE:
        return
    has_planes = len(image.getbands()) > 1 and _tag(image, "PlanarConfiguration") == _SEPARATE_PLANES
    if has_planes or _tag(image, "PhotometricInterpretation") == _WHITE_IS_ZERO:
        form = "its channels one after the other" if has_planes else "white as 0"
        raise DataError(
            f"{path} is a TIFF of {_bits(image)} bits that stores {form}, which is read as other numbers.",
            hint="Save it as PNG.",
        )


def _bits(image: TiffImagePlugin.TiffImageFile) -> int:
    return int(_tag(image, "BitsPerSample") or 1)


def _tag(image: TiffImagePlugin.TiffImageFile, name: str) -> int | None:
    """Return the value of a tag, the first one of several; None: the file does not have it."""
    found = image.tag_v2.get(_TAGS[name])
    value = found[0] if isinstance(found, tuple) and found else found
    return int(value) if isinstance(value, int) else None
