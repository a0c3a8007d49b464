"""Reader of study files: TOML text in, a checked :class:`StudyConfig` out, or one sentence on the fault."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gatefront.search.config.parameters import FORM_TAGS, Choices, FloatRange
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.errors import StudyFileError

_OPTION = ("data", "options", "NAME")


def read_study_file(path: Path) -> tuple[str, StudyConfig]:
    """Return the file's text and the study that it describes.

    Raises:
        StudyFileError: the file cannot be read, is not TOML, or breaks a rule.
    """
    try:
        text = without_mark(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise StudyFileError(f"study file {path} is not in UTF-8.", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise StudyFileError(f"study file {path} cannot be read: {error.strerror}.") from error
    return text, parse_study(text)


def without_mark(text: str) -> str:
    """Return the text without the byte-order mark that some editors begin it with, which is no TOML."""
    return text.removeprefix("\ufeff")


def parse_study(text: str) -> StudyConfig:
    """Return the study that a TOML text describes.

    Raises:
        StudyFileError: the text is no study. The message names the first wrong key and its table.
    """
    try:
        document = tomllib.loads(without_mark(text))
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"the study file is not valid TOML: {error}.") from error
    except (RecursionError, ValueError) as error:
        # Thousands of brackets in each other, or a number of thousands of digits.
        raise StudyFileError("the study file is nested too deeply, or holds a number that is too long.") from error
    return check_study(document)


def check_study(document: Mapping[str, Any]) -> StudyConfig:
    """Return the study that a document describes, from a study file or the database.

    Raises:
        StudyFileError: as in :func:`parse_study`.
    """
    try:
        return StudyConfig.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # An unknown key is the likeliest cause of whatever else is wrong, so it is named first.
        unknown = [detail for detail in details if detail["type"] == "extra_forbidden"]
        raise _explain((unknown or details)[0], document) from error


def _explain(detail: ErrorDetails, document: Mapping[str, Any]) -> StudyFileError:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, StudyFileError):
        return cause
    location = _written_path(detail, document)
    table, key = ".".join(location[:-1]), location[-1] if location else ""
    if detail["type"] == "extra_forbidden":
        return _unknown_key(table, key, _known_keys(location[:-1], detail))
    if detail["type"] == "missing":
        where = f"[{table}] lacks {key}" if table else f"the table [{key}] is missing"
        return StudyFileError(f"{where}.", hint=f"Add {key}.")
    name, found = ".".join(location), detail["input"]
    if location[:2] == ["data", "options"] and len(location) > len(_OPTION):
        # Pydantic names the first of the types that were tried.
        name = ".".join(location[: len(_OPTION)])
        return StudyFileError(f"{name} must be text, a number, true or false, found {found!r}.")
    if detail["type"] == "union_tag_invalid":
        return StudyFileError(
            f"{name} takes no range, found {found!r}.",
            hint="Write one value or {choices = [...]}: every capacity needs reference networks of its own.",
        )
    return StudyFileError(f"{name}: {_rule(detail)}, found {found!r}.")


def _written_path(detail: ErrorDetails, document: Mapping[str, Any]) -> list[str]:
    """Return the error's location as the keys that the file has, without pydantic's form tags."""
    path: list[str] = []
    node: Any = document
    for position, part in enumerate(detail["loc"]):
        is_last = position == len(detail["loc"]) - 1
        is_key = isinstance(node, Mapping) and part in node
        if is_key or (isinstance(node, list) and isinstance(part, int)):
            node = node[part]
        elif part in FORM_TAGS or not is_last:
            continue
        path.append(str(part))
    return path


def _rule(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ").removesuffix(".")
    return message[0].lower() + message[1:]


def _unknown_key(table: str, key: str, known: list[str]) -> StudyFileError:
    place = f"[{table}]" if table else "the study file"
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if close:
        return StudyFileError(f"{place}: unknown key {key!r}.", hint=f"Did you mean {close[0]!r}?")
    home = _home_of(key)
    if home:
        return StudyFileError(f"{place}: unknown key {key!r}.", hint=f"{key!r} belongs to [{home}].")
    return StudyFileError(f"{place}: unknown key {key!r}.", hint=f"Known keys: {', '.join(sorted(known))}.")


def _known_keys(tables: list[str], detail: ErrorDetails) -> list[str]:
    if "choices" in detail["loc"]:
        return list(Choices.model_fields)
    if "range" in detail["loc"]:
        return [*FloatRange.model_fields, *Choices.model_fields]
    model: type[BaseModel] = StudyConfig
    for table in tables:
        field = model.model_fields.get(table)
        found = None if field is None else _table_of(field.annotation)
        if found is None:
            break
        model = found
    if tables[:1] == ["tasks"]:
        return ["weight", "metric"]
    return list(model.model_fields)


def _home_of(key: str) -> str | None:
    for name, field in StudyConfig.model_fields.items():
        table = _table_of(field.annotation)
        if table is not None and key in table.model_fields:
            return name
    return None


def _table_of(annotation: object) -> type[BaseModel] | None:
    """Return the table that a field holds, also an optional one. None means that the field is no table."""
    for kind in get_args(annotation) if isinstance(annotation, UnionType) else (annotation,):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
