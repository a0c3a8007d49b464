"""Simple baselines at the study's FLOP budget: hard sharing and single-task networks with fitted widths."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatefront.search.comparison.systems import Family
from gatefront.spaces import Architecture, count_flops
from gatefront.spaces.families import build_family
from gatefront.spaces.families.fit_widths import fit_widths


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedNetwork:
    """Network of a simple baseline: the ``family`` that builds it, its widths, its settings and its exact cost."""

    family: str
    architecture: Architecture
    settings: Mapping[str, Any] = field(default_factory=dict)
    flops: int


@functools.lru_cache(maxsize=16)
def fitted_network(family: Family, architecture: Architecture, flop_budget: int) -> FittedNetwork:
    """Return the baseline whose widths use up the budget. Its weights start from the backbone's own.

    Separate single-task networks are a tree whose tasks part at the images. The family of that name would start from
    the references, whose layers have other widths.

    Raises:
        BudgetBelowFloorError: the narrowest network costs more.
        SpaceError: no layer's width can be changed.
    """
    if family == "fitted-hard-sharing":
        name, settings = "hard-sharing", {}
        fitted = fit_widths(architecture, name, flop_budget)
    else:
        name, settings = "tree", {"partitions": [[[task] for task in architecture.task_names]], "ends": []}
        fitted = fit_widths(architecture, "single-task", flop_budget)
    network = build_family(name, fitted, settings)
    shape = (architecture.in_channels, *architecture.input_size)
    return FittedNetwork(family=name, architecture=fitted, settings=settings, flops=count_flops(network, shape))
