"""Amounts as people write them in study files: FLOPs, parameters, milliseconds and bytes."""

import re
from dataclasses import dataclass

from gatefront.search.errors import StudyFileError

LONGEST_AMOUNT = 40
"""Most characters of an amount, as many as the database keeps. No number of that length overflows."""

_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_COUNT = re.compile(_NUMBER + r"([KMGT%]?)\s*", re.IGNORECASE)
_THOUSANDS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_TIME = re.compile(_NUMBER + r"(ms|s)\s*", re.IGNORECASE)
_MILLISECONDS = {"ms": 1.0, "s": 1000.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([MGT])(?:iB)?")
_BYTES = {"M": 2**20, "G": 2**30, "T": 2**40}


def read_amount(text: str) -> float | None:
    """Read a number with an optional unit of thousands. None means that the text is something else."""
    match = _COUNT.fullmatch(text)
    if match is None or match[2] == "%" or len(text) > LONGEST_AMOUNT:
        return None
    return float(match[1]) * _THOUSANDS[match[2].upper()]


@dataclass(frozen=True, slots=True)
class FlopBudget:
    """FLOP budget: a fraction of the single-task cost, or an absolute number of FLOPs (2 per multiply-add, batch 1)."""

    text: str
    amount: float
    is_fraction: bool

    def resolve(self, single_task_flops: int) -> int:
        """Return the budget in FLOPs. It is rounded down, so that rounding never exceeds the budget."""
        return int(self.amount * single_task_flops) if self.is_fraction else int(self.amount)


def parse_flop_budget(text: str) -> FlopBudget:
    """Read a FLOP budget such as ``45%``, ``60M`` or ``1.2G``.

    Raises:
        StudyFileError: ``text`` is not a positive number with ``%``, K, M, G, T or no unit.
    """
    match = _COUNT.fullmatch(text)
    if match is None or len(text) > LONGEST_AMOUNT or float(match[1]) <= 0:
        raise StudyFileError(
            f"flop_budget must be a positive amount or percentage, found {text!r}.",
            hint='Write "45%" (of the single-task cost), "60M" or "1.2G".',
        )
    number, unit = float(match[1]), match[2].upper()
    if unit == "%":
        return FlopBudget(text.strip(), number / 100, True)
    return FlopBudget(text.strip(), number * _THOUSANDS[unit], False)


def parse_param_budget(text: str) -> int:
    """Read the most parameters that a delivered network may have, such as ``2M`` or ``350K``.

    Raises:
        StudyFileError: ``text`` is not a positive number with K, M, G or no unit.
    """
    amount = read_amount(text)
    if amount is None or amount < 1:
        raise StudyFileError(
            f"param_budget must be a positive number of parameters, found {text!r}.", hint='Write "2M" or "350K".'
        )
    return int(amount)


def parse_latency_budget(text: str) -> float:
    """Read the most milliseconds that one forward pass may take, such as ``20ms`` or ``0.5s``.

    Raises:
        StudyFileError: ``text`` is not a positive number followed by ``ms`` or ``s``.
    """
    match = _TIME.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise StudyFileError(f"latency_budget must be a positive time, found {text!r}.", hint='Write "20ms" or "0.5s".')
    return float(match[1]) * _MILLISECONDS[match[2].lower()]


def parse_disk_quota(text: str) -> int:
    """Read a number of bytes such as ``40G`` or ``500 MiB``. Units are powers of 1024.

    Raises:
        StudyFileError: ``text`` is not a positive number with M, G or T.
    """
    match = _SIZE.fullmatch(text.strip())
    size = 0 if match is None else int(float(match[1]) * _BYTES[match[2]])
    if size < 1:
        raise StudyFileError(f"disk_quota must be a positive size, found {text!r}.", hint='Write "40G" or "500 MiB".')
    return size
