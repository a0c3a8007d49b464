"""Limit of disk space for decoded samples: ``[data] cache`` of a study."""

import re
import shutil
from pathlib import Path

from gatefront.trainer.data.dataset import DataError

AUTO, OFF = "auto", "off"
AUTO_LIMIT = 12 * 2**30
"""Limit in bytes of one data set with ``"auto"``, which is also at most half of the disk's free space."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([MG])iB")
_UNITS = {"M": 2**20, "G": 2**30}


def parse_cache_limit(text: str) -> int | None:
    """Return the limit in bytes: 0 for ``"off"``, None for ``"auto"``.

    Raises:
        DataError: the text is neither of them nor a size.
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
    """Return the most bytes that one data set may take under ``folder``, by the option and the disk.

    Raises:
        DataError: the option has none of its forms.
    """
    asked = parse_cache_limit(text)
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return asked if asked is not None else min(AUTO_LIMIT, shutil.disk_usage(existing).free // 2)
