"""Reading a FLOP budget as people write it: ``45%``, ``60M``, ``1.2G``."""

import re
from dataclasses import dataclass

from gatefront.search.errors import StudyFileError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
LONGEST_AMOUNT = 40
"""Characters that the database keeps of one; far fewer than a number that is none any more."""

_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT%]?)\s*", re.IGNORECASE)


def read_amount(text: str) -> float | None:
    """A number with an optional unit of thousands; None if it is something else."""
    match = _PATTERN.fullmatch(text)
    if match is None or match[2] == "%" or len(text) > LONGEST_AMOUNT:
        return None
    return float(match[1]) * _UNITS[match[2].upper()]


@dataclass(frozen=True, slots=True)
class FlopBudget:
    """Either a fraction of the single-task cost or an absolute number of FLOPs (2 per multiply-add, batch 1)."""

    text: str
    amount: float
    is_fraction: bool

    def resolve(self, single_task_flops: int) -> int:
        """The budget in FLOPs, rounded down: a budget is never exceeded by rounding."""
        return int(self.amount * single_task_flops) if self.is_fraction else int(self.amount)


def parse_flop_budget(text: str) -> FlopBudget:
    """Raises :class:`StudyFileError` if ``text`` is not a positive number with ``%``, K, M, G, T or no unit."""
    match = _PATTERN.fullmatch(text)
    if match is None or len(text) > LONGEST_AMOUNT or float(match[1]) <= 0:
        raise StudyFileError(
            f"flop_budget must be a positive amount or percentage, found {text!r}.",
            hint='Write "45%" (of the single-task cost), "60M" or "1.2G".',
        )
    number, unit = float(match[1]), match[2].upper()
    if unit == "%":
        return FlopBudget(text.strip(), number / 100, True)
    return FlopBudget(text.strip(), number * _UNITS[unit], False)
