"""Check: one finding of the doctor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check: its name, its verdict, the numbers, and further lines of them."""

    name: str
    passed: bool
    detail: str
    more: tuple[str, ...] = ()
