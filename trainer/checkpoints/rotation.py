"""Files of a run's checkpoint: numbered, named by the hash of their content. The last two are kept.

The name shows whether a disk damaged the file, and the one before it still exists. No file is ever overwritten, so a
crash at any moment leaves complete files.
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
    """Return the files for ``path``, such as ``checkpoint-000007-<hash>.pt`` for ``checkpoint.pt``, newest first."""
    if not path.parent.is_dir():
        return []
    found = [file for file in path.parent.iterdir() if _stands_for(file, path)]
    return sorted(found, key=_number, reverse=True)


def add_checkpoint_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a new file. Of the older ones keep only the newest."""
    known = checkpoint_files(path)
    number = _number(known[0]) + 1 if known else 1
    with beside(path) as fresh:
        write(fresh)
        mark = hash_file(fresh)[:_HASH_DIGITS]
        fresh.replace(path.with_name(f"{path.stem}-{number:06d}-{mark}{path.suffix}"))
    for old in known[_KEPT - 1 :]:
        old.unlink(missing_ok=True)


def open_undamaged(file: Path) -> BufferedReader | None:
    """Open the file if its content matches the hash in its name. Return None otherwise, or if it cannot be read.

    The hash is computed from the open file, because another process with the same training may remove it at any time.
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
    """Remove all files of the checkpoint."""
    for file in checkpoint_files(path):
        file.unlink(missing_ok=True)


def _stands_for(file: Path, path: Path) -> bool:
    mark = _MARK.search(file.stem)
    return mark is not None and file.suffix == path.suffix and file.stem[: mark.start()] == path.stem


def _number(file: Path) -> int:
    mark = _MARK.search(file.stem)
    return int(mark[1]) if mark else 0
