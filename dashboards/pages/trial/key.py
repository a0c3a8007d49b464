"""TrialKey: which network of which trial a page shows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrialKey:
    """Which trial the page is about, and which of its networks: 0 its own, else the derived one of that index."""

    study: str
    number: int
    derived: int = 0
