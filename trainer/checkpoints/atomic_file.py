"""Files that are written completely or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.trainer.checkpoints.disk_full import noticing_full_disk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to. It replaces ``path`` if the block ends without an error."""
    with beside(path) as fresh:
        yield fresh
        fresh.replace(path)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield a path in the folder of ``path`` to write to. If it is not renamed in the block, it is removed.

    Raises:
        DiskFullError: there was no room for it.
    """
    with noticing_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    fresh = Path(name)
    try:
        with noticing_full_disk(path.parent):
            yield fresh
    finally:
        fresh.unlink(missing_ok=True)
