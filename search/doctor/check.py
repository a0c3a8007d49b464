"""Check: one finding of the doctor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether it is well, the numbers, and further lines of them."""

    name: str
    passed: bool
    detail: str
    more: tuple[str, ...] = ()
