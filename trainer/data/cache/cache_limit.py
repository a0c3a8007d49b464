"""How much disk decoded samples may take: ``[data] cache`` of a study."""

import re
import shutil
from pathlib import Path

from gatefront.trainer.data.dataset import DataError

AUTO, OFF = "auto", "off"
AUTO_LIMIT = 12 * 2**30
"""Bytes of one data set with ``"auto"``; never more than half of what the disk has free."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([MG])iB")
_UNITS = {"M": 2**20, "G": 2**30}


def parse_cache_limit(text: str) -> int | None:
    """Bytes: 0 for ``"off"``, None for ``"auto"``.

    Raises:
        DataError: it is neither of them nor a size.
    """
    if text == AUTO:
        return None
    if text == OFF:
        return 0
    match = _SIZE.fullmatch(text)
    if match is None:
        raise DataError(f'data.cache must be "auto", "off" or a size such as "20 GiB" or "500 MiB", found {text!r}.')
    return int(float(match[1]) * _UNITS[match[2]])


def cache_limit(text: str, folder: Path) -> int:
    """The most bytes that one data set may take under ``folder``, as the option says and the disk allows.

    Raises:
        DataError: the option is none of its forms.
    """
    asked = parse_cache_limit(text)
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return asked if asked is not None else min(AUTO_LIMIT, shutil.disk_usage(existing).free // 2)
