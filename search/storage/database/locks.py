"""A lock that one process of this machine holds at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def host_lock(name: str) -> Iterator[None]:
    """Wait until no other process of this user on this host is inside; one that dies lets go.

    The lock is a file in the host's own temporary folder: a study's storage may be shared by several hosts.
    """
    path = Path(tempfile.gettempdir()) / f"gatefront-{os.getuid()}-{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
