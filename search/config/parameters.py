"""Parameter of a study file: one value, ``{choices = [...]}``, or ``{low, high[, log]}``."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Scalar = str | int | float
S = TypeVar("S", str, int, float)


class StrictModel(BaseModel):
    """Base of a study file's records: unknown keys are refused, types are not converted, and records are immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Choices(StrictModel, Generic[S]):
    """Choice of one of the values listed."""

    choices: Annotated[list[S], Field(min_length=1)]


class FloatRange(StrictModel):
    """Real number between ``low`` and ``high``, both included. With ``log`` it is on a log scale."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "FloatRange":
        return _check_range(self)


class IntRange(StrictModel):
    """Integer between ``low`` and ``high``, both included. With ``log`` it is on a log scale."""

    low: int
    high: int
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "IntRange":
        return _check_range(self)


R = TypeVar("R", FloatRange, IntRange)


def _check_range(found: R) -> R:
    if not (math.isfinite(found.low) and math.isfinite(found.high) and found.low < found.high):
        raise ValueError(f"low must be under high, found low = {found.low}, high = {found.high}")
    if found.log and found.low <= 0:
        raise ValueError(f"low must be above 0 on a log scale, found {found.low}")
    return found


def _form(value: Any) -> str:
    if isinstance(value, Choices) or (isinstance(value, Mapping) and "choices" in value):
        return "choices"
    if isinstance(value, FloatRange | IntRange | Mapping):
        return "range"
    return "value"


def word_form(value: Any) -> str:
    """Return the tag of a parameter whose values are words of a fixed list."""
    return "value" if isinstance(value, str) else "choices"


# The tags appear in pydantic's error locations, from which `study_file` removes them.
FORM_TAGS = frozenset({"value", "choices", "range", "tasks"})

_Value = Tag("value")
_Choices = Tag("choices")
_Range = Tag("range")
_ByForm = Discriminator(_form)

FloatParameter = Annotated[
    Annotated[float, _Value] | Annotated[Choices[float], _Choices] | Annotated[FloatRange, _Range], _ByForm
]
IntParameter = Annotated[
    Annotated[int, _Value] | Annotated[Choices[int], _Choices] | Annotated[IntRange, _Range], _ByForm
]
# Capacities are listed, never a range, because each one needs reference networks of its own.
NameChoice = Annotated[Annotated[str, _Value] | Annotated[Choices[str], _Choices], _ByForm]
FloatChoice = Annotated[Annotated[float, _Value] | Annotated[Choices[float], _Choices], _ByForm]
IntChoice = Annotated[Annotated[int, _Value] | Annotated[Choices[int], _Choices], _ByForm]
ScheduleName = Literal["one_cycle", "poly", "constant"]

AnyParameter = Scalar | Choices[str] | Choices[int] | Choices[float] | FloatRange | IntRange


def distribution(parameter: AnyParameter) -> BaseDistribution | None:
    """Return the distribution that Optuna samples the parameter from. None means that there is nothing to choose."""
    if isinstance(parameter, FloatRange):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, IntRange):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, Choices) and len(parameter.choices) > 1:
        return CategoricalDistribution(tuple(parameter.choices))
    return None


def resolve(parameter: AnyParameter, sampled: Scalar | None) -> Scalar:
    """Return the parameter's value in one trial: the sampled one, or the fixed one if nothing was sampled."""
    if sampled is not None:
        return sampled
    if isinstance(parameter, Choices):
        first: Scalar = parameter.choices[0]
        return first
    if isinstance(parameter, FloatRange | IntRange):
        raise ValueError(f"a range needs a sampled value, found none for {parameter.low}..{parameter.high}")
    return parameter


def center(parameter: AnyParameter) -> Scalar:
    """Return the value that reference networks train with.

    It is the middle of a range (geometric on a log scale) or the first choice.
    """
    if isinstance(parameter, FloatRange | IntRange):
        middle = math.sqrt(parameter.low * parameter.high) if parameter.log else (parameter.low + parameter.high) / 2
        return round(middle) if isinstance(parameter, IntRange) else middle
    return resolve(parameter, None)


def max_value(parameter: IntParameter) -> int:
    """Return the largest value that an integer parameter can take."""
    if isinstance(parameter, Choices):
        return max(parameter.choices)
    return parameter.high if isinstance(parameter, IntRange) else parameter


def bounds(parameter: FloatParameter) -> tuple[float, ...]:
    """Return the smallest and the largest value that a real parameter can take."""
    if isinstance(parameter, Choices):
        return min(parameter.choices), max(parameter.choices)
    return (parameter.low, parameter.high) if isinstance(parameter, FloatRange) else (parameter, parameter)


def listed_values(parameter: NameChoice | FloatChoice | IntChoice) -> tuple[Scalar, ...]:
    """Return every value of a parameter that has no range, in the order written."""
    return tuple(parameter.choices) if isinstance(parameter, Choices) else (parameter,)
