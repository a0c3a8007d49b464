"""Hashes that name content. The same bytes, or the same settings, always have the same name."""

import hashlib
import json
from io import BufferedReader
from pathlib import Path
from typing import Any


def hash_json(document: Any) -> str:
    """Return the SHA-256 of a JSON document, independent of the order of its keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hash_open_file(file)


def hash_open_file(file: BufferedReader) -> str:
    """Return the SHA-256 of the bytes of a file that was opened for reading and not read yet."""
    return hashlib.file_digest(file, "sha256").hexdigest()
