"""Records as one JSON document on a terminal."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any


def to_document(value: Any) -> Any:
    """Convert a value to plain JSON types.

    Records become objects, times ISO 8601 strings, and numbers that are not finite become null.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_document(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_document(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_text(value: Any) -> str:
    """Return the value as an indented JSON document."""
    return json.dumps(to_document(value), indent=2, ensure_ascii=False)
