"""Detection of a full disk, so that its errors, which may pass, differ from all others."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.spaces.errors import GatefrontError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# torch gives no reason for a failed write. On a disk with fewer free bytes than this the reason is clear.
_NOTHING_LEFT = 2**20
# NumPy reserves the space before it writes, and its error has no number.
_NUMPYS_WORDS = "Not enough free space"


class DiskFullError(GatefrontError, RuntimeError):
    """Error for a write that failed because its disk is full or a quota is used up."""


@contextmanager
def noticing_full_disk(folder: Path) -> Iterator[None]:
    """Turn a failure of the block into ``DiskFullError`` if the disk of ``folder`` is full.

    Use it before partly written files are removed, as that frees space.

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
    """Return the error that names the disk."""
    return DiskFullError(f"the disk of {folder} is full.", hint="Make room and go on.")


def ran_out_of_disk(error: BaseException, folder: Path) -> bool:
    """Return whether the error, or one of its causes, was raised because ``folder``'s disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DiskFullError) or _says_so(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return isinstance(error, OSError | RuntimeError) and _free_bytes(folder) < _NOTHING_LEFT


def _says_so(error: BaseException) -> bool:
    return isinstance(error, OSError) and (error.errno in _FULL or _NUMPYS_WORDS in str(error))


def _free_bytes(folder: Path) -> int:
    """Return the free bytes of the folder's disk, by its nearest existing parent if it does not exist."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
