"""Splits of a folder: lists of names beside one folder of images, or a sub-folder per split."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.io.folder_listing import read_names, require_no_overlap
from gatefront.trainer.data.sources.folder.files import (
    IMAGE_ENDINGS,
    files_by_name,
    image_name,
    require_no_other_images,
)

_REQUIRED = ("train", "val")
_TEST = "test"


@dataclass(frozen=True, slots=True)
class Part:
    """Folder that holds the images and labels of one split, and the names of its images."""

    base: Path
    names: list[str]


def find_parts(root: Path) -> dict[str, Part]:
    """Return the parts of ``train``, ``val`` and, if its list or folder exists, ``test``.

    Raises:
        DataError: the folder says in neither way, or in both, which images are trained on; an image is in two splits,
        or a split has none.
    """
    has_lists = all((root / f"{split}.txt").is_file() for split in _REQUIRED)
    has_folders = all((root / split / "images").is_dir() for split in _REQUIRED)
    if has_lists == has_folders:
        raise DataError(
            f"{root} has {'both' if has_lists else 'neither'} lists (train.txt, val.txt) "
            f"{'and' if has_lists else 'nor'} sub-folders (train/images, val/images).",
            hint="One of them says which images are trained on.",
        )
    if has_folders:
        is_there = (root / _TEST / "images").is_dir()
        parts = {split: _listed_by_folder(root / split) for split in (*_REQUIRED, *[_TEST] * is_there)}
    else:
        parts = {path.stem: _listed_by_file(root, path) for path in find_lists(root)}
        _require_no_overlaps(root, parts)
    for split, part in parts.items():
        if not part.names:
            raise DataError(f"{part.base / 'images'} is empty, so {split} has no images.")
    return parts


def find_lists(root: Path) -> list[Path]:
    """Return the lists of names that exist."""
    return [path for split in (*_REQUIRED, _TEST) if (path := root / f"{split}.txt").is_file()]


def _require_no_overlaps(root: Path, parts: Mapping[str, Part]) -> None:
    for one, other in combinations(parts, 2):
        require_no_overlap(parts[one].names, parts[other].names, what=str(root), splits=(one, other))


def _listed_by_folder(base: Path) -> Part:
    require_no_other_images(base / "images")
    return Part(base, list(files_by_name(base / "images", IMAGE_ENDINGS)))


def _listed_by_file(root: Path, path: Path) -> Part:
    names = [image_name(line) for line in read_names(path)]
    if len(set(names)) < len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise DataError(f"{path} names {twice!r} twice, with and without its ending.", hint="Keep one of the lines.")
    return Part(root, names)
