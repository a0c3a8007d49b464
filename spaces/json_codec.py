"""Conversion of records to JSON documents, and back."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from gatefront.spaces.errors import DocumentError, GatefrontError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

OMIT_DEFAULT: Final = {"omit_default": True}
"""Metadata of a field that documents hold only if it differs from its default, as keys of earlier releases do."""


def to_json(record: "DataclassInstance") -> dict[str, Any]:
    """Return a dataclass as plain JSON types. :func:`from_json` reverses it."""
    return {
        field.name: _plain(value)
        for field in fields(record)
        if (value := getattr(record, field.name)) != field.default or "omit_default" not in field.metadata
    }


def from_json(kind: type[Record], document: Any) -> Record:
    """Return the record of this kind that a document holds. A missing key gets its field's default.

    Raises:
        DocumentError: a key is missing or unknown, or a value has another type.
        GatefrontError: the record refuses a value.
    """
    try:
        record: Record = _adapter(kind).validate_python(document, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if isinstance(refusal := first.get("ctx", {}).get("error"), GatefrontError):
            raise refusal from None
        place = ".".join(map(str, first["loc"])) or "document"
        raise DocumentError(
            f"Cannot read {kind.__name__}: {place}: {first['msg']} (found {shortened(first['input'])})."
        ) from error
    return record


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return to_json(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
