"""Log of one trial beside its checkpoint: the messages of its workers over all attempts."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = "worker.log"
_FAILURE = "failure.txt"
_LAYERS = ("gatefront.spaces", "gatefront.trainer", "gatefront.search")
# A broken trial may log without end, and its last messages matter most.
_MOST_BYTES = 1 << 20


@contextmanager
def worker_log(work_dir: Path) -> Iterator[None]:
    """Write this process's messages from INFO up to a log in ``work_dir`` for the length of the block."""
    path = work_dir / _NAME
    if path.exists() and path.stat().st_size > _MOST_BYTES:
        path.unlink()
    handler = _TrialLog(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in _LAYERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        if logging.lastResort is not None and not logger.hasHandlers():
            # Warnings also reach standard error, as they do without our log.
            logger.addHandler(logging.lastResort)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        with suppress(OSError):
            # On a full disk the last lines are lost, and the trial itself reports the full disk.
            handler.close()


class _TrialLog(logging.FileHandler):
    """Log file whose write errors, such as a full disk, do not end the trial."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            super().emit(record)


def keep_failure(work_dir: Path, text: str) -> None:
    """Store the traceback of the trial's last failure, if the disk has room for it."""
    with suppress(OSError):
        (work_dir / _FAILURE).write_text(text, encoding="utf-8")


def log_tail(work_dir: Path, max_bytes: int = 16_384) -> str:
    """Return the last whole lines of the trial's log and of its last failure's traceback; empty without either.

    Only the end of each file is read. A folder that this machine does not see counts as empty.
    """
    parts = [_end_of(work_dir / name, max_bytes) for name in (_NAME, _FAILURE)]
    return "\n".join(part for part in parts if part)


def _end_of(path: Path, max_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - max_bytes))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return text if size <= max_bytes else text.partition("\n")[2]
