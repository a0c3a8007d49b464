"""ReferencePoint: what trials are compared with, as views show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePoint:
    """A trained reference on the front plot: all single-task networks together, or hard sharing.

    ``constant_metrics`` is what the best constant prediction scores, of the tasks where that is known. ``unranked`` are
    tasks that Δ_MTL leaves out, as their single-task network is no better.
    """

    kind: Literal["single_task", "hard_sharing"]
    flops: int
    delta_mtl: float
    metrics: Mapping[str, float]
    num_parameters: int
    seconds: float
    constant_metrics: Mapping[str, float] = field(default_factory=dict)
    unranked: tuple[str, ...] = ()
