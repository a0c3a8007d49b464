"""Outcome: the quality and the costs of one delivered network."""

from typing import NamedTuple

Point = tuple[float, int]
"""Δ_MTL and FLOPs."""


class Outcome(NamedTuple):
    """Quality and costs of a delivered network. ``latency_ms`` is None if the study does not measure it."""

    delta_mtl: float
    flops: int
    latency_ms: float | None = None
