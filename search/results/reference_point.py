"""ReferencePoint: a baseline that trials are compared with, as views show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePoint:
    """Trained reference on the front plot: all single-task networks together, or hard sharing.

    ``constant_metrics`` holds the scores of the best constant prediction, for the tasks where they are known.
    ``unranked`` are tasks that Δ_MTL leaves out because their single-task network is no better than that.
    """

    kind: Literal["single_task", "hard_sharing"]
    flops: int
    delta_mtl: float
    metrics: Mapping[str, float]
    num_parameters: int
    seconds: float
    constant_metrics: Mapping[str, float] = field(default_factory=dict)
    unranked: tuple[str, ...] = ()
