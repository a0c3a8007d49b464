"""Families by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Literal

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.cross_stitch import build_cross_stitch
from gatefront.spaces.families.etr_nlp import build_etr_nlp
from gatefront.spaces.families.hard_sharing import build_hard_sharing
from gatefront.spaces.families.lomt import build_lomt
from gatefront.spaces.families.mtan import build_mtan
from gatefront.spaces.families.network import FamilyNetwork
from gatefront.spaces.families.single_task import build_single_task
from gatefront.spaces.families.tree import build_tree

Reference = Literal["single_task"]


@dataclass(frozen=True, slots=True)
class Family:
    """Way to build one network from one architecture and all its tasks.

    ``starts_from`` names the trained networks that its paper starts from, for ``load_references``. If it is empty, the
    family starts from the backbone's own weights. ``build`` takes the architecture, and settings of the family by name.
    """

    name: str
    build: Callable[..., FamilyNetwork]
    starts_from: tuple[Reference, ...] = ()


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("single-task", build_single_task, starts_from=("single_task",)),
        Family("hard-sharing", build_hard_sharing),
        Family("cross-stitch", build_cross_stitch, starts_from=("single_task",)),
        Family("mtan", build_mtan),
        Family("etr-nlp", build_etr_nlp),
        Family("lomt", build_lomt),
        Family("tree", build_tree),
    )
}


def build_family(name: str, architecture: Architecture, settings: Mapping[str, Any] | None = None) -> FamilyNetwork:
    """Build the network of this family.

    ``settings`` are those of its builder. A setting that is left out has the default of the family's page.

    Raises:
        SpaceError: there is no such family, it has no such setting, or it does not work on this backbone.
    """
    if name not in FAMILIES:
        raise SpaceError(f"family {name!r} is unknown.", hint=f"Choose one of {', '.join(FAMILIES)}.")
    build, given = FAMILIES[name].build, dict(settings or {})
    known = [
        parameter.name for parameter in signature(build).parameters.values() if parameter.kind is Parameter.KEYWORD_ONLY
    ]
    if unknown := sorted(given.keys() - set(known)):
        raise SpaceError(
            f"family {name} has no setting {', '.join(unknown)}.", hint=f"It has {', '.join(known) or 'none'}."
        )
    return build(architecture, **given)
