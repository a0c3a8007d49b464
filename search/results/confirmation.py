"""Certainty of a point's Δ_MTL: intervals from its replicates, and points that they cannot tell apart.

The trial's own result is not among the samples. It was chosen for being high, so part of it is luck.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit

from gatefront.search.results.outcome import Point

Key = tuple[int, int]
"""A trial's number, and the index of a derived point; 0 is the trial's own point."""

Samples = Mapping[int, float]
"""Δ_MTL in percent by the number of the replicate that reached it."""

_MIN_SEEDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Mean Δ_MTL over ``seeds`` replicates, in percent, and its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def replicate_samples(values: Mapping[Key, Point], confirms: Mapping[int, int]) -> dict[Key, dict[int, float]]:
    """Return the samples of every point with replicates.

    A replicate's derived points are samples of the original's derived points of the same index.

    Args:
        values: ``(delta_mtl, flops)`` of all points that count, replicates as well.
        confirms: by a replicate's number, the trial that it repeats.
    """
    found: dict[Key, dict[int, float]] = {}
    for (number, derived), (delta_mtl, _) in values.items():
        original = confirms.get(number)
        if original is not None and (original, derived) in values:
            found.setdefault((original, derived), {})[number] = delta_mtl
    return found


def confirmation(samples: Samples) -> Confirmation | None:
    """Return the mean and interval of samples; None for fewer than two, from which no spread can be estimated."""
    if len(samples) < _MIN_SEEDS:
        return None
    mean, half_width = _mean_and_half_width(list(samples.values()))
    return Confirmation(mean=mean, low=mean - half_width, high=mean + half_width, seeds=len(samples))


def are_tied(one: Samples, other: Samples) -> bool | None:
    """Return whether the 95 % interval of the difference of two points includes 0; None if either is not confirmed.

    Points of the same replicates differ by less than the seeds do, so their differences are compared seed by seed.
    Others are compared by Welch's interval, which allows them different variances.
    """
    if len(one) < _MIN_SEEDS or len(other) < _MIN_SEEDS:
        return None
    if one.keys() == other.keys():
        difference, half_width = _mean_and_half_width([one[seed] - other[seed] for seed in one])
    else:
        difference, half_width = _welch(list(one.values()), list(other.values()))
    return abs(difference) <= half_width


def _mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    error = stdev(values) / math.sqrt(len(values))
    return fmean(values), _t(len(values) - 1) * error


def _welch(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Return the difference of means and half its 95 % interval.

    B. L. Welch, The generalization of "Student's" problem, Biometrika 34, 1947.
    """
    difference = fmean(one) - fmean(other)
    squares = [stdev(values) ** 2 / len(values) for values in (one, other)]
    total = sum(squares)
    if total == 0:
        return difference, 0.0
    share = squares[0] / total
    freedom = 1 / (share**2 / (len(one) - 1) + (1 - share) ** 2 / (len(other) - 1))
    return difference, _t(freedom) * math.sqrt(total)


def _t(freedom: float) -> float:
    return float(stdtrit(freedom, 0.975))
