"""Pareto front of points, and its hypervolume. `gatefront.search.snapshots.front_membership` applies it to a study.

Points are ``(delta_mtl, flops)``. Δ_MTL is in percentage points, higher is better. FLOPs are at 2 per multiply-add,
batch 1, lower is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np

from gatefront.search.results.outcome import Point
from gatefront.spaces.budgets.budgets import is_feasible


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFrame:
    """Reference point of a study's hypervolume, fixed for the whole study so that values can be compared.

    ``flops`` is the budget, or the single-task cost if there is no budget. ``delta_mtl`` is hard sharing's.
    """

    single_task_flops: int
    flops: int
    delta_mtl: float


def pareto_front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Return for each point whether no other is at least as good in all objectives and better in one.

    A point is Δ_MTL, higher is better, followed by its costs, lower is better. The costs are FLOPs, and latency if the
    study has it as an objective. Equal points are all on the front.
    """
    if not points:
        return []
    table = np.asarray(points, dtype=float)
    maximise = [True] + [False] * (table.shape[1] - 1)
    found = moocore.is_nondominated(table, maximise=maximise, keep_weakly=True)
    return [bool(value) for value in found]


def hypervolume(points: Sequence[Point], frame: ReferenceFrame) -> float:
    """Return the area between the front and the frame's reference point.

    The unit is (fraction of the single-task cost) x (percentage points of Δ_MTL). Points that are worse than the
    reference point in either objective add nothing.
    """
    if not points:
        return 0.0
    scaled = np.asarray([(-delta_mtl, flops / frame.single_task_flops) for delta_mtl, flops in points])
    corner = np.asarray([-frame.delta_mtl, frame.flops / frame.single_task_flops])
    return float(moocore.hypervolume(scaled, ref=corner))


class RunningHypervolume:
    """Hypervolume of points that come one by one. It keeps only the current front."""

    def __init__(self, frame: ReferenceFrame) -> None:
        self.value = 0.0
        self._frame = frame
        self._front: list[Point] = []

    def add(self, point: Point) -> float:
        """Add a point and return the new hypervolume."""
        delta_mtl, flops = point
        if not any(other[0] >= delta_mtl and other[1] <= flops for other in self._front):
            kept = [other for other in self._front if not (delta_mtl >= other[0] and flops <= other[1])]
            self._front = [*kept, point]
            self.value = hypervolume(self._front, self._frame)
        return self.value


def best_under_budget(points: Sequence[Point], flop_budget: int | None) -> int | None:
    """Return the index of the feasible point with the highest Δ_MTL, the cheaper one of equals; None if none is."""
    feasible = [index for index, point in enumerate(points) if is_feasible(point[1], flop_budget)]
    return min(feasible, key=lambda index: (-points[index][0], points[index][1]), default=None)
