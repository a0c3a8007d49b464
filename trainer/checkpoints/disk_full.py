"""A full disk is nobody's fault and passes: errors that come from it are told apart from all others."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.spaces.errors import GatefrontError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# torch says of a failed write only that it failed; on a disk with less than this left it is clear why.
_NOTHING_LEFT = 2**20
# NumPy asks for the room before it writes, and gives no number with its answer.
_NUMPYS_WORDS = "Not enough free space"


class DiskFullError(GatefrontError, RuntimeError):
    """Something could not be written because its disk is full, or a quota is used up."""


@contextmanager
def noticing_full_disk(folder: Path) -> Iterator[None]:
    """For a block that writes into ``folder``, before what it has written so far is taken away again.

    Raises:
        DiskFullError: the block failed because the folder's disk is full.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if ran_out_of_disk(error, folder) and not isinstance(error, DiskFullError):
            raise disk_full(folder) from error
        raise


def disk_full(folder: Path) -> DiskFullError:
    """The error that says whose disk it is."""
    return DiskFullError(f"the disk of {folder} is full.", hint="Make room and go on.")


def ran_out_of_disk(error: BaseException, folder: Path) -> bool:
    """Whether the error, or one that it came from, was raised because ``folder``'s disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DiskFullError) or _says_so(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return isinstance(error, OSError | RuntimeError) and _free_bytes(folder) < _NOTHING_LEFT


def _says_so(error: BaseException) -> bool:
    return isinstance(error, OSError) and (error.errno in _FULL or _NUMPYS_WORDS in str(error))


def _free_bytes(folder: Path) -> int:
    """Of the first folder above it that is there."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
