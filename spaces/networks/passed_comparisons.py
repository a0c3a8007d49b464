"""Record, for all processes of a user, of the backbones whose traced form was found equal to the original."""

import hashlib
import json
import logging
import os
import platform
import sys
from functools import cache
from pathlib import Path

import torch

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.backbones.registry import OWN_BACKBONES
from gatefront.spaces.json_codec import to_json

logger = logging.getLogger(__name__)


def has_passed(architecture: Architecture) -> bool:
    """Return True if the record says that this very comparison has passed, with the same code and on such a machine."""
    file = _file(architecture)
    return file is not None and file.exists()


def record_passed(architecture: Architecture) -> None:
    """Record that the comparison has passed. Without a folder to write to nothing happens."""
    file = _file(architecture)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError as error:
        logger.info("%s cannot be written, so backbones will be compared again: %s", file, error)


def _file(architecture: Architecture) -> Path | None:
    """Return the file whose existence means that the comparison has passed; None for code that may change unnoticed."""
    code = _code_of(architecture.backbone)
    if code is None:
        return None
    key = [to_json(architecture), code, _own_code(), platform.machine(), sys.version, torch.__version__]
    return _folder() / _hash(json.dumps(key, sort_keys=True).encode())[:32]


def _folder() -> Path:
    """Return the folder that the environment names, that of all studies, which workers share, or one of the user."""
    own, storage = os.environ.get("GATEFRONT_CACHE"), os.environ.get("GATEFRONT_STORAGE")
    if own or storage:
        return (Path(own) if own else Path(str(storage)) / "cache").resolve() / "compared"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatefront" / "compared"


def _code_of(backbone: str) -> str | None:
    """Return a name of the code behind a backbone. None for a user's own, because it may import anything."""
    if backbone in OWN_BACKBONES:
        return backbone
    timm = sys.modules.get("timm")
    if timm is None or ":" in backbone or not timm.model_entrypoint(backbone).__module__.startswith("timm."):
        return None
    return f"timm {timm.__version__} {_state_of_timm(Path(str(timm.__file__)).parent)}"


@cache
def _state_of_timm(folder: Path) -> str:
    """Return a hash of the sizes and times of timm's files, because somebody may have changed one."""
    files = [(file, file.stat()) for file in sorted(folder.rglob("*.py"))]
    return _hash("".join(f"{file} {stat.st_size} {stat.st_mtime_ns}\n" for file, stat in files).encode())


@cache
def _own_code() -> str:
    """Return a hash of all files of this package, because tracing, rules and networks are spread over it."""
    folder = Path(__file__).parents[1]  # spaces
    files = sorted(folder.rglob("*.py"))
    return _hash("".join(f"{file.relative_to(folder)} {_hash(file.read_bytes())}\n" for file in files).encode())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
