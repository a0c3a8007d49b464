"""Where studies are kept: the default database and folder, and the variables that override them."""

import os
from pathlib import Path

DEFAULT_URL = "sqlite:///runs/gatefront.db"
DEFAULT_STORAGE = Path("runs")


def database_url(option: str | None = None) -> str:
    """The option, else ``GATEFRONT_DB``, else ``./runs/gatefront.db``."""
    return option or os.environ.get("GATEFRONT_DB") or DEFAULT_URL


def storage_folder(option: Path | None = None) -> Path:
    """The option, else ``GATEFRONT_STORAGE``, else ``./runs``; absolute, as workers run elsewhere."""
    return (option or Path(os.environ.get("GATEFRONT_STORAGE") or DEFAULT_STORAGE)).resolve()
