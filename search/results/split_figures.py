"""Figures of a network on the test split, which nothing was chosen on."""

from collections.abc import Mapping
from dataclasses import dataclass

VALIDATION_ONLY = "validation only"
"""Words for results of data without a test split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFigures:
    """Δ_MTL in percent, its terms and the metrics per task of one network on one split.

    Δ_MTL is against the single-task networks on the same split.
    """

    delta_mtl: float
    delta_per_task: Mapping[str, float]
    metrics: Mapping[str, float]
