"""Order of unfinished networks by two objectives under a budget, the best for early stopping to keep first."""

from collections.abc import Sequence
from typing import NamedTuple

import moocore
import numpy as np

from gatefront.search.results.outcome import Point
from gatefront.spaces.budgets.budgets import is_feasible

_MAXIMISE = (True, False)
# The corner for areas lies this share of a front's span behind its worst values, so that its ends count too.
_MARGIN = 0.1


class Rank(NamedTuple):
    """Rank of a point: ``position`` counts from 0 among all; ``front`` is 0 for points that no other dominates."""

    position: int
    front: int


def constrained_order(points: Sequence[Point], flop_budget: int | None) -> list[Rank]:
    """Rank each point: points within the budget first, front after front, the largest contributions of a front first.

    Points over the budget are ordered among themselves in the same way, rather than by their excess alone. Early in
    training all may be over the budget, and then both objectives tell them apart. Of equal points the earlier comes
    first.
    """
    fronts = _constrained_fronts(points, flop_budget)
    contributions = _contributions(points, fronts)
    order = sorted(range(len(points)), key=lambda index: (fronts[index], -contributions[index], index))
    position_of = {index: position for position, index in enumerate(order)}
    return [Rank(position_of[index], front) for index, front in enumerate(fronts)]


def _constrained_fronts(points: Sequence[Point], flop_budget: int | None) -> list[int]:
    fronts = [0] * len(points)
    first = 0
    for wanted in (True, False):
        group = [index for index, (_, flops) in enumerate(points) if is_feasible(flops, flop_budget) is wanted]
        if not group:
            continue
        ranks = moocore.pareto_rank(np.asarray([points[index] for index in group], dtype=float), maximise=_MAXIMISE)
        for index, rank in zip(group, ranks, strict=True):
            fronts[index] = first + int(rank)
        first += int(ranks.max()) + 1
    return fronts


def _contributions(points: Sequence[Point], fronts: Sequence[int]) -> list[float]:
    """Return the area that each point alone adds to its front. Units cancel because only points of a front compare."""
    values = [0.0] * len(points)
    for front in set(fronts):
        group = [index for index, found in enumerate(fronts) if found == front]
        table = np.asarray([points[index] for index in group], dtype=float)
        low, high = table.min(axis=0), table.max(axis=0)
        span = np.where(high > low, high - low, 1.0)
        corner = (low[0] - _MARGIN * span[0], high[1] + _MARGIN * span[1])
        for index, area in zip(group, moocore.hv_contributions(table, ref=corner, maximise=_MAXIMISE), strict=True):
            values[index] = float(area)
    return values
