"""Folder of a driver's own Ray on this machine, and removal of those that killed drivers left."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.search.storage.process_identity import is_certainly_dead, process_identity, process_of

# Unix sockets lie under Ray's folder, and their paths may have 107 bytes; a session's own part takes about 70.
_LONGEST_BASE = 30
_PREFIX, _OWNER = "gf", "driver.txt"


@contextmanager
def ray_folder() -> Iterator[Path]:
    """Create a folder for logs, sockets and Ray's spilled objects, and remove it after the block.

    A driver that was killed removes nothing, so the folders of drivers that are certainly dead are removed here.
    """
    base = _base()
    remove_left_behind(base)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    try:
        (folder / _OWNER).write_text(process_identity(), encoding="utf-8")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind(base: Path) -> None:
    """Remove the folders in ``base`` that this user's drivers made on this host and that no longer have a driver."""
    for folder in base.glob(f"{_PREFIX}*"):
        if _is_own(folder) and _has_lost_its_driver(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _base() -> Path:
    base = tempfile.gettempdir()
    return Path(base if len(base) <= _LONGEST_BASE else "/tmp")


def _is_own(folder: Path) -> bool:
    """Return True for a folder of this user that is not a link. Nobody else could have created it."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _has_lost_its_driver(folder: Path) -> bool:
    try:
        owner = (folder / _OWNER).read_text(encoding="utf-8", errors="replace")
    except OSError:
        # Somebody else's, or one that is just being made.
        return False
    return process_of(owner) is not None and is_certainly_dead(owner)
