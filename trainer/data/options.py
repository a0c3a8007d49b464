"""Options of a data set: checked against the ones it has, completed by its defaults."""

import difflib
from collections.abc import Iterable, Mapping

from trainer.data.dataset import DataError, DataSpec, OptionValue


def resolve_whole_numbers(
    data_name: str, given: Mapping[str, OptionValue], *, defaults: Mapping[str, int], minimum: Mapping[str, int]
) -> dict[str, int]:
    """The defaults, overwritten by what the study gives.

    Raises:
        DataError: for an unknown option, a value that is not a whole number, or one under its minimum.
    """
    resolved = dict(defaults)
    for option, value in given.items():
        if option not in defaults:
            raise DataError(
                f"data {data_name} has no option {option!r}.", hint=nearest_known("option", option, defaults)
            )
        # bool is a subclass of int, and `train_size = true` is a mistake worth naming.
        if isinstance(value, bool) or not isinstance(value, int):
            raise DataError(f"data.options.{option} must be a whole number, found {value!r}.")
        if value < minimum[option]:
            raise DataError(f"data.options.{option} must be at least {minimum[option]}, found {value}.")
        resolved[option] = value
    return resolved


def refuse_options(spec: DataSpec) -> None:
    """For a data set that has none. Raises :class:`DataError` if the study gives one."""
    if spec.options:
        raise DataError(f"data {spec.name} has no options, found {', '.join(spec.options)}.", hint="Leave them out.")


def nearest_known(what: str, unknown: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or all of them if none is close."""
    words = sorted(known)
    close = difflib.get_close_matches(unknown, words, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known {what}s: {', '.join(words)}."
