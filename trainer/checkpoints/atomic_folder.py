"""A folder that several processes may want at once appears whole, or not at all."""

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
    """Makes sure that ``folder`` holds what ``build`` writes; returns True if it was there already.

    Every process builds in a folder of its own and renames it into place, so two that race do the work twice
    and the first result stays: an intact folder is never replaced, somebody may be reading it. A folder that
    is there but not intact is built anew.

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
    """Holds the folder itself locked, which leaves no lock file behind; a process that dies lets go."""
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
    # Renamed before it is deleted: no reader may meet half a folder.
    aside = Path(tempfile.mkdtemp(prefix=f".{damaged.name}-damaged-", dir=damaged.parent))
    damaged.rename(aside / "old")
    shutil.rmtree(aside, ignore_errors=True)
