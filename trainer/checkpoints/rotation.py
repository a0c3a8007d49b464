"""The files of a run's checkpoint: numbered, named by the hash of what they hold, the last two kept.

A file that a disk damaged is told from a whole one by its name, and the one before it is still there. Nothing is ever
written over: a crash at any moment leaves whole files.
"""

import re
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from gatefront.trainer.checkpoints.atomic_file import beside
from gatefront.trainer.checkpoints.content_hash import hash_file, hash_open_file

_KEPT = 2
_HASH_DIGITS = 32
_MARK = re.compile(rf"-(\d{{6,}})-([0-9a-f]{{{_HASH_DIGITS}}})$")


def checkpoint_files(path: Path) -> list[Path]:
    """The files that stand for ``path``, as ``checkpoint-000007-<hash>.pt`` for ``checkpoint.pt``; the newest first."""
    if not path.parent.is_dir():
        return []
    found = [file for file in path.parent.iterdir() if _stands_for(file, path)]
    return sorted(found, key=_number, reverse=True)


def add_checkpoint_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a new file; of the older ones only the newest stays."""
    known = checkpoint_files(path)
    number = _number(known[0]) + 1 if known else 1
    with beside(path) as fresh:
        write(fresh)
        mark = hash_file(fresh)[:_HASH_DIGITS]
        fresh.replace(path.with_name(f"{path.stem}-{number:06d}-{mark}{path.suffix}"))
    for old in known[_KEPT - 1 :]:
        old.unlink(missing_ok=True)


def open_undamaged(file: Path) -> BufferedReader | None:
    """Open the file if it holds what it was named after; None otherwise, or if it cannot be read.

    The hash is taken of the open file: another process that trains the same may remove it at any moment.
    """
    named = _MARK.search(file.stem)
    if named is None:
        return None
    try:
        opened = file.open("rb")
        if hash_open_file(opened)[:_HASH_DIGITS] == named[2]:
            opened.seek(0)
            return opened
    except OSError:
        return None
    opened.close()
    return None


def remove_checkpoint_files(path: Path) -> None:
    """Forget the checkpoint."""
    for file in checkpoint_files(path):
        file.unlink(missing_ok=True)


def _stands_for(file: Path, path: Path) -> bool:
    mark = _MARK.search(file.stem)
    return mark is not None and file.suffix == path.suffix and file.stem[: mark.start()] == path.stem


def _number(file: Path) -> int:
    mark = _MARK.search(file.stem)
    return int(mark[1]) if mark else 0
