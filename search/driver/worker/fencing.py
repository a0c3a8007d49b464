"""Fencing token: of two workers that claim one trial, only the later one may continue.

A worker that is believed lost may only have been disconnected, and may continue beside its replacement.
"""

import uuid
from pathlib import Path

from gatefront.search.storage.process_identity import process_identity
from gatefront.spaces.errors import GatefrontError
from gatefront.trainer.checkpoints.atomic_file import replacing

_FILE = "worker.txt"


class StaleWorkerError(GatefrontError, RuntimeError):
    """Error of a worker whose trial another worker has begun since."""


class FencingToken:
    """Claim of a worker on the trial that is trained in ``work_dir``, from now on."""

    def __init__(self, work_dir: Path) -> None:
        self._path = work_dir / _FILE
        self._text = f"{process_identity()} {uuid.uuid4().hex}"
        with replacing(self._path) as fresh:
            fresh.write_text(self._text, encoding="utf-8")

    def check(self) -> None:
        """Raise :class:`StaleWorkerError` if another worker has claimed the trial."""
        if self._path.read_text(encoding="utf-8") != self._text:
            raise StaleWorkerError(f"another worker has begun the trial of {self._path.parent}: this one ends.")
