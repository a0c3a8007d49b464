"""Creation of a bundle's folder, which appears whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatefront.search.bundle.file_names import OutputFolderError
from gatefront.trainer.checkpoints.disk_full import noticing_full_disk


def require_free(output: Path) -> None:
    """Refuse a place that already holds something.

    Raises:
        OutputFolderError: ``output`` exists and is not an empty folder.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputFolderError(
            f"output {output} exists and is not an empty folder.", hint="Name another folder; nothing is overwritten."
        )


@contextmanager
def placing(output: Path) -> Iterator[Path]:
    """Yield a folder to write to, which becomes ``output`` if the block ends without an error.

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
    """Create the folder to write to, beside ``output``.

    It is renamed once it is verified, so that a folder named ``output`` is always whole.
    """
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        with noticing_full_disk(output.parent):
            partial.mkdir(parents=True)
    except OSError as error:
        raise OutputFolderError(
            f"output {output} cannot be written: {error.strerror}.", hint="Name a folder on a disk you may write to."
        ) from error
    return partial
