"""A file is written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.trainer.checkpoints.disk_full import noticing_full_disk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside ``path`` to write to; it takes the place of ``path`` if the block ends well."""
    with beside(path) as fresh:
        yield fresh
        fresh.replace(path)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Gives a path in the folder of ``path`` to write to; what is not renamed by the end of the block is removed.

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
