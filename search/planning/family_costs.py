"""Costs of the other families, counted on networks that are built once."""

import functools

from gatefront.search.config.family import INTERROGATE, FamilyName, FamilySection
from gatefront.search.config.parameters import bounds
from gatefront.search.planning.capacities import Capacity
from gatefront.spaces import Architecture, count_flops
from gatefront.spaces.families import build_family


def least_flops(section: FamilySection, name: FamilyName, capacity: Capacity) -> int:
    """Return the fewest FLOPs of this family's trials at this capacity. LOMT counts before its layers are known.

    Raises:
        SpaceError: the family does not work on this backbone.
    """
    if name == INTERROGATE:
        return capacity.hard_sharing
    # The larger the shared part, the fewer the FLOPs.
    gamma = max(bounds(section.gamma)) if name == "etr-nlp" else None
    return family_flops(name, capacity.architecture, gamma)


def most_flops(section: FamilySection, name: FamilyName, capacity: Capacity) -> int:
    """Return the most FLOPs of this family's trials at this capacity. See :func:`least_flops`."""
    return family_flops(name, capacity.architecture, dearest_settings(section, name).get("gamma"))


def dearest_settings(section: FamilySection, name: FamilyName) -> dict[str, float]:
    """Return the settings that a family's builder is given for the network of :func:`most_flops`."""
    return {"gamma": min(bounds(section.gamma))} if name == "etr-nlp" else {}


@functools.lru_cache(maxsize=64)
def family_flops(family: str, architecture: Architecture, gamma: float | None = None) -> int:
    """Return the FLOPs of a family's network. Building one takes seconds.

    ``gamma`` applies to etr-nlp; None is its default.

    Raises:
        SpaceError: the family does not work on this backbone.
    """
    network = build_family(family, architecture, {} if gamma is None else {"gamma": gamma})
    return count_flops(network, (architecture.in_channels, *architecture.input_size))
