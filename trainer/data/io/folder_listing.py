"""Checks of a folder of files before anything is read: existing files, missing files, and their formats."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gatefront.trainer.data.dataset import DataError, DataSpec
from gatefront.trainer.data.io.picture_file import is_turned_or_deep, unreadable, upright_size


def require_root(spec: DataSpec, *, holds: str) -> Path:
    """Return the study's ``data.root``. ``holds`` states what must be in it, for the message.

    Raises:
        DataError: the study has no root.
    """
    if spec.root is None:
        raise DataError(f"data {spec.name} needs its files.", hint=f"Set data.root to the folder that holds {holds}.")
    return Path(spec.root)


def read_names(path: Path) -> list[str]:
    """Return the names in a list, one a line. Skip blank lines.

    Raises:
        DataError: the list cannot be read, is empty or repeats a name.
    """
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8.", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint="Is data.root the right folder?") from error
    if not names:
        raise DataError(f"{path} is empty.", hint="It holds one name a line.")
    if len(set(names)) != len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise DataError(f"{path} names {twice!r} twice ({len(names) - len(set(names))} repetitions in all).")
    return names


def require_files(paths: Sequence[Path], *, what: str, hint: str = "") -> None:
    """Raise :class:`DataError` with the first missing file and the number of missing files."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"{what}: {missing[0]} is missing ({len(missing)} of {len(paths)} are).", hint=hint)


def require_no_overlap(
    one: Iterable[str], other: Iterable[str], *, what: str, splits: tuple[str, str] = ("train", "val")
) -> None:
    """Raise :class:`DataError` if an image is in both of two splits."""
    both = sorted(set(one) & set(other))
    if both:
        raise DataError(
            f"{what}: {both[0]!r} is in both {splits[0]} and {splits[1]} ({len(both)} in all).",
            hint="Take it out of one of them.",
        )


def require_suffix(folder: Path, known: Iterable[str], *, what: str, hint: str = "") -> str:
    """Return the one of the ``known`` file name endings that a folder's files have.

    Raises:
        DataError: the folder does not exist, or has files of none of them or of more than one.
    """
    known = sorted(known)
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    suffixes = {path.suffix for path in shown if path.is_file()}
    found = suffixes & set(known)
    if len(found) != 1:
        raise DataError(
            f"{what}: {folder} has no {' or '.join(known)} files, found {', '.join(sorted(suffixes)) or 'none'}."
            if not found
            else f"{what}: {folder} has {' and '.join(sorted(found))} files, expected one kind.",
            hint=hint,
        )
    return found.pop()


def header_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of an array, or (height, width) of a picture. Only the header is read.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        if path.suffix == ".npy":
            shape: tuple[int, ...] = np.load(path, mmap_mode="r", allow_pickle=False).shape
            return shape
        return upright_size(path)
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise unreadable(path, error) from error


def file_stamps(root: Path, paths: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Return the size and write time of every file, because hashing gigabytes would take far longer.

    Raises:
        DataError: a file cannot be reached, for example because it is a link to one that is gone.
    """
    found = {path: reachable(path) for path in paths}
    return {str(path.relative_to(root)): (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def reachable(path: Path) -> os.stat_result:
    """Return the size and write time of a file.

    Raises:
        DataError: it is not there, may not be looked at, or is a link to a file that is gone.
    """
    try:
        return path.stat()
    except OSError as error:
        where = f" (a link to {path.readlink()})" if path.is_symlink() else ""
        raise DataError(
            f"{path}{where} cannot be read: {error.strerror}.", hint="Copy the file again, or remove it."
        ) from error


def reading_stamps(root: Path, images: Iterable[Path]) -> dict[str, list[str]]:
    """Return the images that an earlier release read differently, for a fingerprint; nothing if there are none.

    That release did not turn images by their EXIF orientation, and kept 8 bits of each number. References trained on
    such images differ, and all others are the same. Only headers are read. Labels are left out, because label pictures
    with an EXIF orientation, the only ones that are read differently, hardly exist.
    """
    pictures = (path for path in images if path.suffix.lower() != ".npy")
    names = [str(path.relative_to(root)) for path in pictures if is_turned_or_deep(path)]
    return {"turned or deep": names} if names else {}
