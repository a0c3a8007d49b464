"""Outcome: what one delivered network is worth and costs."""

from typing import NamedTuple

Point = tuple[float, int]
"""Δ_MTL and FLOPs."""


class Outcome(NamedTuple):
    """What a delivered network is worth and costs. ``latency_ms`` None: the study does not measure it."""

    delta_mtl: float
    flops: int
    latency_ms: float | None = None
