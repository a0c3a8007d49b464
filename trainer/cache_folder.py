"""A folder that several processes may want at once appears whole, or not at all."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)


def obtain_folder(folder: Path, *, is_intact: Callable[[Path], bool], build: Callable[[Path], None]) -> bool:
    """Makes sure that ``folder`` holds what ``build`` writes; returns True if it was there already.

    Every process builds in a folder of its own and renames it into place, so two that race do the work twice
    and one result stays. A folder that is there but not intact is built anew.
    """
    if folder.is_dir():
        if is_intact(folder):
            return True
        logger.warning("%s is damaged and is made anew.", folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build(fresh)
        _put_in_place(fresh, folder, is_intact)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return False


def _put_in_place(fresh: Path, folder: Path, is_intact: Callable[[Path], bool]) -> None:
    for _attempt in range(10):
        if folder.is_dir() and is_intact(folder):
            return  # another process was faster
        _move_aside(folder)
        try:
            fresh.rename(folder)
        except OSError:
            continue  # another process's folder took the place between the two lines above
        return
    raise OSError(f"{folder} could not be put in place.")


def _move_aside(folder: Path) -> None:
    # Renamed before it is deleted: no reader may meet half a folder.
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-damaged-", dir=folder.parent))
    try:
        folder.rename(aside / "old")
    except FileNotFoundError:
        pass
    finally:
        shutil.rmtree(aside, ignore_errors=True)
