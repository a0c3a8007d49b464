"""Places of studies: the default database and folder, and the environment variables that override them."""

import os
from pathlib import Path

from gatefront.search.config.quantities import parse_disk_quota

DEFAULT_URL = "sqlite:///runs/gatefront.db"
DEFAULT_STORAGE = Path("runs")

_SQLITE = "sqlite:///"


def database_url(option: str | None = None) -> str:
    """Return the option, else ``GATEFRONT_DB``, else ``./runs/gatefront.db``.

    The path of an SQLite file is made absolute, because the driver changes its folder while Ray starts.
    """
    url = option or os.environ.get("GATEFRONT_DB") or DEFAULT_URL
    path = url.removeprefix(_SQLITE)
    if path == url or path in ("", ":memory:"):
        return url
    return f"{_SQLITE}{Path(path).resolve()}"


def storage_folder(option: Path | None = None) -> Path:
    """Return the option, else ``GATEFRONT_STORAGE``, else ``./runs``.

    The path is absolute, because workers run in other folders.
    """
    return (option or Path(os.environ.get("GATEFRONT_STORAGE") or DEFAULT_STORAGE)).resolve()


def disk_quota(asked: str | None) -> int | None:
    """Return the bytes that a study's folder may take: ``GATEFRONT_DISK_QUOTA``, else the quota in its file.

    None means that there is no quota.

    Raises:
        StudyFileError: the text is not a size.
    """
    text = os.environ.get("GATEFRONT_DISK_QUOTA") or asked
    return None if text is None else parse_disk_quota(text)
