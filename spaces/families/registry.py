"""Families by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spaces.architecture import Architecture
from spaces.errors import SpaceError
from spaces.families.cross_stitch import build_cross_stitch
from spaces.families.etr_nlp import build_etr_nlp
from spaces.families.hard_sharing import build_hard_sharing
from spaces.families.mtan import build_mtan
from spaces.families.network import FamilyNetwork
from spaces.families.single_task import build_single_task

Reference = Literal["single_task", "hard_sharing"]


@dataclass(frozen=True, slots=True)
class Family:
    """A way to make one network of one architecture and all its tasks.

    ``starts_from`` names the trained networks that its paper starts from, for ``load_references``; without any, it
    starts from the backbone's own weights.
    """

    name: str
    build: Callable[[Architecture], FamilyNetwork]
    starts_from: tuple[Reference, ...] = ()


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("single-task", build_single_task, starts_from=("single_task",)),
        Family("hard-sharing", build_hard_sharing),
        Family("cross-stitch", build_cross_stitch, starts_from=("single_task",)),
        Family("mtan", build_mtan),
        Family("etr-nlp", build_etr_nlp),
    )
}


def build_family(name: str, architecture: Architecture) -> FamilyNetwork:
    """The network of this family with its default settings.

    Raises:
        SpaceError: there is no such family, or it does not work on this backbone.
    """
    if name not in FAMILIES:
        raise SpaceError(f"family {name!r} is unknown.", hint=f"Choose one of {', '.join(FAMILIES)}.")
    return FAMILIES[name].build(architecture)
