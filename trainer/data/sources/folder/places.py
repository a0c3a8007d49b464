"""Places of a folder's labels by the names of tasks: a folder per dense task, columns for the others."""

from collections.abc import Iterable
from pathlib import Path

from gatefront.trainer.data.dataset import DataError

_IMAGES = "images"
_MAX_BYTES = 255
"""Most bytes of a folder's name in UTF-8, on the usual file systems."""


def require_places(path: Path, *, folders: Iterable[str], columns: Iterable[str]) -> None:
    """Require names of tasks and classes that can name a folder or column of labels.

    Args:
        path: the file that names the tasks, for messages.
        folders: names of dense tasks, whose label maps are in a folder of that name.
        columns: columns of the table that are read, one for each task and class that has one.

    Raises:
        DataError: a folder cannot have the name, or it is that of the images; a column is read twice.
    """
    for name in folders:
        is_folder = "/" not in name and "\\" not in name and name not in (".", "..")
        if not is_folder or len(name.encode()) > _MAX_BYTES or name.casefold() == _IMAGES:
            raise DataError(
                f"{path}: Cannot read task {name!r}: its label maps lie in a folder of its name, "
                f"{'which holds the images' if name.casefold() == _IMAGES else 'and no folder can be called so'}.",
                hint="Rename the task, and its folder.",
            )
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise DataError(
                f"{path}: Cannot read column {column!r} twice: two tasks, or a task and a class, are called so.",
                hint="Rename one of them, and its column.",
            )
        seen.add(column)
