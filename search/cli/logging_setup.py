"""Log lines of all layers on standard error, each of them once."""

import logging

_LAYERS = ("gatefront.spaces", "gatefront.trainer", "gatefront.search")


def show_log_lines() -> None:
    """Show the layers' log lines of level INFO and above.

    Each line is shown once, because a study builds the same network many times.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(_OnlyOnce())
    for name in _LAYERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.handlers = [handler]


class _OnlyOnce(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        line = record.getMessage()
        if line in self._seen:
            return False
        self._seen.add(line)
        return True
