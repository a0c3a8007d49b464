"""Generated data sets on disk: rendered once, then memory-mapped by every process that trains on them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatefront.spaces.architecture.tasks import safe_names
from gatefront.trainer.checkpoints.atomic_folder import obtain_folder
from gatefront.trainer.checkpoints.content_hash import hash_file, hash_json
from gatefront.trainer.data.cache.array_dataset import ArrayDataset
from gatefront.trainer.data.dataset import DataDescription, DataError, MultiTaskData

Split = Literal["train", "val", "test"]
Arrays = dict[str, NDArray[Any]]
"""Arrays of a split: ``"image"``, uint8 ``[n, channels, h, w]``, and one array per task."""

_CONTENTS = "contents.json"
_IMAGES = "image"


def load_generated(
    name: str,
    settings: Mapping[str, int | str],
    description: DataDescription,
    *,
    render: Callable[[Split], Arrays],
    cache_dir: Path,
) -> MultiTaskData:
    """Return the splits of a generated data set. Render them if ``cache_dir`` does not hold them yet.

    ``settings`` is everything that determines the content, including the version of the renderer. A description without
    test samples has no test split.

    Raises:
        DataError: a task has the name of the images' array.
    """
    names = _file_names(description)
    # Without a test split, a folder is called as releases before there was one called it.
    decisive = {key: value for key, value in settings.items() if (key, value) != ("test_size", 0)}
    folder = cache_dir / "data" / f"{name}-{hash_json(decisive)[:16]}"
    splits: tuple[Split, ...] = ("train", "val", "test") if description.num_test else ("train", "val")

    def build(target: Path) -> None:
        for split in splits:
            _write_split(target, split, render(split), names)
        write_contents(target)

    obtain_folder(folder, is_intact=is_intact, build=build)
    contents = json.loads((folder / _CONTENTS).read_text())
    return MultiTaskData(
        description=description,
        train=_open_split(folder, "train", description),
        val=_open_split(folder, "val", description),
        test=_open_split(folder, "test", description) if description.num_test else None,
        fingerprint=hash_json({file: entry["sha256"] for file, entry in contents.items()}),
    )


def _file_names(description: DataDescription) -> dict[str, str]:
    """Return the name in file names of each array."""
    tasks = [task.name for task in description.tasks]
    if _IMAGES in map(str.casefold, tasks):
        raise DataError(
            f"Cannot render these data: a task is called {_IMAGES!r}, as the images are.", hint="Rename it."
        )
    return {_IMAGES: _IMAGES, **dict(zip(tasks, safe_names(tasks), strict=True))}


def _write_split(folder: Path, split: Split, arrays: Arrays, names: Mapping[str, str]) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{split}-{names[name]}.npy", array)


def write_contents(folder: Path) -> None:
    """List the arrays of a folder with their lengths and hashes in a file."""
    contents = {
        path.name: {"bytes": path.stat().st_size, "sha256": hash_file(path)} for path in sorted(folder.glob("*.npy"))
    }
    (folder / _CONTENTS).write_text(json.dumps(contents, indent=2))


def is_intact(folder: Path) -> bool:
    """Return whether every file exists at its full length, unlike after an interrupted copy or on a full disk."""
    try:
        contents = json.loads((folder / _CONTENTS).read_text())
        return all((folder / file).stat().st_size == entry["bytes"] for file, entry in contents.items())
    except (OSError, ValueError):
        return False


def _open_split(folder: Path, split: Split, description: DataDescription) -> ArrayDataset:
    names = _file_names(description)

    def open_array(name: str) -> NDArray[Any]:
        # Nothing is ever written. Mode "c" (copy-on-write) only avoids torch's warning about read-only arrays.
        array: NDArray[Any] = np.load(folder / f"{split}-{names[name]}.npy", mmap_mode="c")
        return array

    return ArrayDataset(
        open_array(_IMAGES),
        {task.name: open_array(task.name) for task in description.tasks},
        description.tasks,
        mean=description.mean,
        std=description.std,
    )
