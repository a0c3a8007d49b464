"""Reading a disk quota as people write it: ``40G``, ``500 MiB``."""

import re

from gatefront.search.errors import StudyFileError

_FORM = re.compile(r"(\d+(?:\.\d+)?) ?([MGT])(?:iB)?")
_UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}


def parse_disk_quota(text: str) -> int:
    """Bytes; units are powers of 1024.

    Raises:
        StudyFileError: ``text`` is not a positive number with M, G or T.
    """
    match = _FORM.fullmatch(text.strip())
    size = 0 if match is None else int(float(match[1]) * _UNITS[match[2]])
    if size < 1:
        raise StudyFileError(f"disk_quota must be a positive size, found {text!r}.", hint='Write "40G" or "500 MiB".')
    return size
