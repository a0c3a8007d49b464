"""Folders that several processes may need at once, and that appear completely or not at all."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.trainer.checkpoints.disk_full import noticing_full_disk

logger = logging.getLogger(__name__)


def obtain_folder(folder: Path, *, is_intact: Callable[[Path], bool], build: Callable[[Path], None]) -> bool:
    """Make ``folder`` hold what ``build`` writes. Return True if it existed already.

    Every process builds in its own folder and renames it into place. Two simultaneous processes do the work twice, and
    the first result stays. An intact folder is never replaced, because another process may be reading it. A damaged
    folder is built again.

    Raises:
        DiskFullError: there was no room for it.
    """
    with noticing_full_disk(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent, fcntl.LOCK_SH):
        if folder.is_dir():
            if is_intact(folder):
                return True
            logger.warning("%s is damaged and is made anew.", folder)
    with noticing_full_disk(folder.parent):
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with noticing_full_disk(folder.parent):
            build(fresh)
        with _locked(folder.parent, fcntl.LOCK_EX):
            _put_in_place(fresh, folder, is_intact)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return False


@contextmanager
def _locked(parent: Path, kind: int) -> Iterator[None]:
    """Lock the folder itself, which leaves no lock file behind. A process that dies releases the lock."""
    descriptor = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _put_in_place(fresh: Path, folder: Path, is_intact: Callable[[Path], bool]) -> None:
    if folder.is_dir():
        if is_intact(folder):
            return  # another process was faster
        _remove(folder)
    fresh.rename(folder)


def _remove(damaged: Path) -> None:
    # The folder is renamed before it is deleted, so that no reader finds a part of it.
    aside = Path(tempfile.mkdtemp(prefix=f".{damaged.name}-damaged-", dir=damaged.parent))
    damaged.rename(aside / "old")
    shutil.rmtree(aside, ignore_errors=True)
