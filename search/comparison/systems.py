"""The systems that are compared: rows of the table, in its order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gatefront.search.errors import StudyFileError
from gatefront.search.results.comparison_table import SINGLE_TASK
from gatefront.trainer.config import WeightingName
from gatefront.trainer.weighting import WEIGHTINGS

Family = Literal["single_task", "hard_sharing", "cross-stitch", "mtan", "etr-nlp", "lomt", "interrogate"]
OTHER_FAMILIES: tuple[Family, ...] = ("cross-stitch", "mtan", "etr-nlp", "lomt")
"""Families of :mod:`gatefront.spaces.families`, trained with the study's own weighting."""

_FAMILY_NAMES: dict[Family, str] = {
    "single_task": SINGLE_TASK,
    "hard_sharing": "hard sharing",
    "cross-stitch": "cross-stitch",
    "mtan": "MTAN",
    "etr-nlp": "ETR-NLP",
    "lomt": "LOMT",
    "interrogate": "InterroGate",
}

DEFAULT_WEIGHTINGS: tuple[WeightingName, ...] = ("uniform", "dwa", "uncertainty", "rlw", "pcgrad", "cagrad", "mgda-ub")
"""One row of hard sharing each; ``mgda`` and ``auto-lambda`` cost several times as much per step, and are asked for."""

_NAMES: dict[WeightingName, str] = {
    "scalar": "task weights",
    "uniform": "uniform",
    "dwa": "DWA",
    "uncertainty": "uncertainty",
    "rlw": "RLW",
    "pcgrad": "PCGrad",
    "cagrad": "CAGrad",
    "mgda": "MGDA",
    "mgda-ub": "MGDA-UB",
    "auto-lambda": "Auto-λ",
}


@dataclass(frozen=True, slots=True)
class System:
    """A family of networks, and how the tasks' losses are weighed in training it."""

    family: Family
    weighting: WeightingName | None = None

    @property
    def name(self) -> str:
        """The row's name; unique in a table."""
        family = _FAMILY_NAMES[self.family]
        return family if self.weighting is None else f"{family}, {_NAMES[self.weighting]}"


def list_systems(weightings: Sequence[WeightingName], own: WeightingName) -> tuple[System, ...]:
    """Single-task networks, hard sharing with each weighting, other families and InterroGate with ``own``."""
    shared = tuple(System("hard_sharing", weighting) for weighting in dict.fromkeys(weightings))
    others = tuple(System(family, own) for family in OTHER_FAMILIES)
    return (System("single_task"), *shared, *others, System("interrogate", own))


def parse_weightings(text: str) -> tuple[WeightingName, ...]:
    """``uniform,dwa`` as names.

    Raises:
        StudyFileError: a name is unknown.
    """
    found: list[WeightingName] = []
    for word in text.split(","):
        name = next((known for known in WEIGHTINGS if known == word.strip()), None)
        if name is None:
            raise StudyFileError(
                f"weightings must be known ones, found {word.strip()!r}.", hint=f"Choose from {', '.join(WEIGHTINGS)}."
            )
        found.append(name)
    return tuple(found)
