"""A bundle's folder appears whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.search.bundle.file_names import OutputFolderError
from gatefront.trainer.checkpoints.disk_full import noticing_full_disk


def require_free(output: Path) -> None:
    """Refuse a place where something is already.

    Raises:
        OutputFolderError: ``output`` exists and is not an empty folder.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputFolderError(
            f"output {output} exists and is not an empty folder.", hint="Name another folder; nothing is overwritten."
        )


@contextmanager
def placing(output: Path) -> Iterator[Path]:
    """A folder to write to, which becomes ``output`` where the block ends without an error.

    Raises:
        OutputFolderError: nothing can be written there.
        DiskFullError: its disk became full.
    """
    partial = _begun(output)
    try:
        with noticing_full_disk(partial):
            yield partial
            partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _begun(output: Path) -> Path:
    """Written beside its place and renamed once it is proven, so that a folder of that name is always whole."""
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        with noticing_full_disk(output.parent):
            partial.mkdir(parents=True)
    except OSError as error:
        raise OutputFolderError(
            f"output {output} cannot be written: {error.strerror}.", hint="Name a folder on a disk you may write to."
        ) from error
    return partial
