"""Reading a latency budget as people write it: ``20ms``, ``0.5s``."""

import re

from gatefront.search.errors import StudyFileError

_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s)\s*", re.IGNORECASE)
_MILLISECONDS = {"ms": 1.0, "s": 1000.0}


def parse_latency_budget(text: str) -> float:
    """The most milliseconds that one forward pass may take.

    Raises:
        StudyFileError: ``text`` is not a positive number followed by ``ms`` or ``s``.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise StudyFileError(f"latency_budget must be a positive time, found {text!r}.", hint='Write "20ms" or "0.5s".')
    return float(match[1]) * _MILLISECONDS[match[2].lower()]
