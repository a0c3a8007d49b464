"""Files of a folder by their names, and the reasons why others are not read."""

import unicodedata
from collections.abc import Container
from pathlib import Path

from gatefront.trainer.data.dataset import DataError

IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
LABEL_ENDINGS = (".bmp", ".npy", ".png", ".tif", ".tiff")

_CHANGED = "may store other numbers than those of the labels"
_UNREAD_LABELS = {".jpg": _CHANGED, ".jpeg": _CHANGED, ".jfif": _CHANGED, ".webp": _CHANGED}
# Endings under which people keep images. None of them is read.
_OTHER_IMAGES = (
    ".avif", ".exr", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jxl", ".npy", ".npz", ".pgm", ".ppm", ".tga",
)  # fmt: skip


def image_name(written: str) -> str:
    """Return an image's name from lists and tables, without its ending if it has one."""
    path = Path(written.replace("\\", "/"))
    return name_of(path) if path.suffix.lower() in IMAGE_ENDINGS else _composed(path.name)


def name_of(path: Path) -> str:
    """Return a file's name without its ending. Letters with accents are one character, however the disk spells them."""
    return _composed(path.stem)


def files_by_name(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Return the folder's files of these endings, by their names without them. Hidden files are left out.

    Raises:
        DataError: the folder does not exist, or two files only differ in their ending.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not there.", hint=f"It holds {' or '.join(endings)} files.")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in endings or is_hidden(path):
            continue
        name = name_of(path)
        if name in files:
            raise DataError(f"{path} and {files[name].name} have the same name.", hint="Keep one of them.")
        files[name] = path
    return files


def is_hidden(path: Path) -> bool:
    """Return whether a name starts with a dot, such as the ``._*`` files that macOS leaves beside others."""
    return path.name.startswith(".")


def why_unread(path: Path, endings: tuple[str, ...]) -> str | None:
    """Return why no image, or no label map, is read from a file; None if one is read."""
    if is_hidden(path):
        return "hidden"
    if path.is_dir():
        return "a folder inside this one is not read"
    if path.suffix.lower() in endings:
        return None
    known = f"only {', '.join(endings)} are read"
    if endings == LABEL_ENDINGS and path.suffix.lower() in _UNREAD_LABELS:
        return f"{path.suffix} {_UNREAD_LABELS[path.suffix.lower()]}; {known}"
    return known


def require_no_other_images(folder: Path) -> None:
    """Raise :class:`DataError` for images with unread endings. Without a list they would be missing silently."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _OTHER_IMAGES and not is_hidden(path)]
    if found:
        raise DataError(
            f"{found[0]} cannot be read: {why_unread(found[0], IMAGE_ENDINGS)} ({len(found)} such files).",
            hint="Convert it, or move it out of the folder.",
        )


def require_no_other_labels(folder: Path, images: Container[str]) -> None:
    """Raise :class:`DataError` for files that have the name of an image and an ending that is not read."""
    others = [path for path in sorted(folder.iterdir()) if name_of(path) in images]
    found = [(path, reason) for path in others if (reason := why_unread(path, LABEL_ENDINGS)) and not is_hidden(path)]
    if found:
        path, reason = found[0]
        raise DataError(
            f"{path} is no label map that can be read: {reason} ({len(found)} such files).",
            hint="Save it as .png, or move it out of the folder.",
        )


def _composed(name: str) -> str:
    # macOS stores accents as separate characters. Lists and tables hardly ever do.
    return unicodedata.normalize("NFC", name)
