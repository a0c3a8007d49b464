"""A full disk is nobody's fault: a trial that meets one is interrupted, not failed."""

import errno
import shutil
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
# torch says of a failed write only that it failed; on a disk with less than this left it is clear why.
_NOTHING_LEFT = 2**20


def ran_out_of_disk(error: BaseException, folder: Path) -> bool:
    """Whether the error, or one that it came from, was raised because ``folder``'s disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__ or cause.__context__
    return isinstance(error, OSError | RuntimeError) and shutil.disk_usage(folder).free < _NOTHING_LEFT
