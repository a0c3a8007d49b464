"""ReferencePoint: a baseline that trials are compared with, as views show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePoint:
    """Trained reference on the front plot: all single-task networks together, or hard sharing.

    ``constant_metrics`` holds the scores of the best constant prediction, for the tasks where they are known.
    ``unranked`` are tasks that Δ_MTL leaves out because their single-task network is no better than that.
    ``test_metrics`` and ``test_delta_mtl`` are on the test split; empty and None without one.
    """

    kind: Literal["single_task", "hard_sharing"]
    flops: int
    delta_mtl: float
    metrics: Mapping[str, float]
    num_parameters: int
    seconds: float
    constant_metrics: Mapping[str, float] = field(default_factory=dict)
    unranked: tuple[str, ...] = ()
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    test_delta_mtl: float | None = None

    @property
    def test_gap(self) -> float | None:
        """Δ_MTL on the test split less that on the validation split, in percentage points."""
        return None if self.test_delta_mtl is None else self.test_delta_mtl - self.delta_mtl
