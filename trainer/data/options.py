"""Options of a data set, checked against its known ones and completed by its defaults."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from gatefront.trainer.data.dataset import DataError, DataSpec, OptionValue

OptionsT = TypeVar("OptionsT")

_KINDS = {int: "a whole number", float: "a real number", str: "text", bool: "true or false"}


def parse_options(options: type[OptionsT], spec: DataSpec) -> OptionsT:
    """Return the study's ``[data.options]`` as an ``options`` record, a dataclass with a field per option.

    A field is a bool, an int, a float, a str or a Literal of words. A whole number is a real number too. No other value
    is converted.

    Raises:
        DataError: for an unknown option, or a value that is not of its field's type.
    """
    types = get_type_hints(options)
    known = [field.name for field in fields(options)]  # type: ignore[arg-type]  # it is a dataclass
    for name, value in spec.options.items():
        if name not in known:
            raise DataError(f"data {spec.name} has no option {name!r}.", hint=nearest_known("option", name, known))
        _check_type(name, value, types[name])
    return options(**{name: _as_real(value, types[name]) for name, value in spec.options.items()})


def require_option(name: str, value: object, rule: str, holds: bool) -> None:
    """Raise :class:`DataError` if the option's value breaks the rule."""
    if not holds:
        raise DataError(f"data.options.{name} must be {rule}, found {value!r}.")


def _as_real(value: OptionValue, expected: Any) -> OptionValue:
    return float(value) if _value_type(expected) is float else value


def _value_type(expected: Any) -> Any:
    if type(None) in get_args(expected):  # `float | None`: None is what an absent option is, no value
        (expected,) = (kind for kind in get_args(expected) if kind is not type(None))
    return expected


def _check_type(name: str, value: OptionValue, expected: Any) -> None:
    expected = _value_type(expected)
    if get_origin(expected) is Literal:
        words = get_args(expected)
        require_option(name, value, f"one of {', '.join(map(repr, words))}", value in words)
    else:
        # isinstance would accept `size = true`, a likely mistake, because bool is a subclass of int.
        is_whole = expected is float and type(value) is int
        require_option(name, value, _KINDS[expected], type(value) is expected or is_whole)


def resolve_whole_numbers(
    data_name: str, given: Mapping[str, OptionValue], *, defaults: Mapping[str, int], minimum: Mapping[str, int]
) -> dict[str, int]:
    """Return the defaults, replaced by the study's values.

    Raises:
        DataError: for an unknown option, a value that is not a whole number, or one under its minimum.
    """
    resolved = dict(defaults)
    for option, value in given.items():
        if option not in defaults:
            raise DataError(
                f"data {data_name} has no option {option!r}.", hint=nearest_known("option", option, defaults)
            )
        # bool is a subclass of int, and `train_size = true` is a likely mistake.
        if isinstance(value, bool) or not isinstance(value, int):
            raise DataError(f"data.options.{option} must be a whole number, found {value!r}.")
        if value < minimum[option]:
            raise DataError(f"data.options.{option} must be at least {minimum[option]}, found {value}.")
        resolved[option] = value
    return resolved


def nearest_known(what: str, unknown: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest known word, or all of them if none is close."""
    words = sorted(known)
    close = difflib.get_close_matches(unknown, words, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known {what}s: {', '.join(words)}."
