"""Systems that are compared, in the order of the table's rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gatefront.search.errors import StudyFileError
from gatefront.search.results.comparison_table import SINGLE_TASK
from gatefront.trainer.config import WeightingName
from gatefront.trainer.weighting import WEIGHTINGS

Family = Literal[
    "single_task",
    "hard_sharing",
    "fitted-hard-sharing",
    "fitted-single-task",
    "cross-stitch",
    "mtan",
    "etr-nlp",
    "lomt",
    "interrogate",
]
FITTED_FAMILIES: tuple[Family, ...] = ("fitted-hard-sharing", "fitted-single-task")
"""Simple baselines whose widths use up the FLOP budget, trained with the study's own weighting."""

OTHER_FAMILIES: tuple[Family, ...] = ("cross-stitch", "mtan", "etr-nlp", "lomt")
"""Families of :mod:`gatefront.spaces.families`, trained with the study's own weighting."""

_FAMILY_NAMES: dict[Family, str] = {
    "single_task": SINGLE_TASK,
    "hard_sharing": "hard sharing",
    "fitted-hard-sharing": "fitted hard sharing",
    "fitted-single-task": "fitted single-task",
    "cross-stitch": "cross-stitch",
    "mtan": "MTAN",
    "etr-nlp": "ETR-NLP",
    "lomt": "LOMT",
    "interrogate": "InterroGate",
}

DEFAULT_WEIGHTINGS: tuple[WeightingName, ...] = ("uniform", "dwa", "uncertainty", "rlw", "pcgrad", "cagrad", "mgda-ub")
"""Weightings of hard sharing that have a row without being asked for.

``mgda`` and ``auto-lambda`` are not among them, because they cost several times as much per step.
"""

_NAMES: dict[WeightingName, str] = {
    "scalar": "task weights",
    "uniform": "uniform",
    "dwa": "DWA",
    "uncertainty": "uncertainty",
    "uw-so": "UW-SO",
    "rlw": "RLW",
    "imtl-l": "IMTL-L",
    "stch": "STCH",
    "gls": "GLS",
    "famo": "FAMO",
    "pcgrad": "PCGrad",
    "cagrad": "CAGrad",
    "mgda": "MGDA",
    "imtl-g": "IMTL-G",
    "aligned-mtl": "Aligned-MTL",
    "upgrad": "UPGrad",
    "dualproj": "DualProj",
    "fairgrad": "FairGrad",
    "nash-mtl": "Nash-MTL",
    "config": "ConFIG",
    "graddrop": "GradDrop",
    "gradvac": "GradVac",
    "mgda-ub": "MGDA-UB",
    "auto-lambda": "Auto-λ",
}


@dataclass(frozen=True, slots=True)
class System:
    """A family of networks, and the weighting of the tasks' losses in training it."""

    family: Family
    weighting: WeightingName | None = None

    @property
    def name(self) -> str:
        """Name of the row, unique in a table."""
        family = _FAMILY_NAMES[self.family]
        return family if self.weighting is None else f"{family}, {_NAMES[self.weighting]}"


def list_systems(weightings: Sequence[WeightingName], own: WeightingName) -> tuple[System, ...]:
    """Return the rows: single-task networks, hard sharing with each weighting, other families, and InterroGate.

    Fitted baselines, other families and InterroGate train with the weighting ``own``.
    """
    shared = tuple(System("hard_sharing", weighting) for weighting in dict.fromkeys(weightings))
    others = tuple(System(family, own) for family in (*FITTED_FAMILIES, *OTHER_FAMILIES))
    return (System("single_task"), *shared, *others, System("interrogate", own))


def parse_weightings(text: str) -> tuple[WeightingName, ...]:
    """Return the weightings that a text such as ``uniform,dwa`` names.

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
