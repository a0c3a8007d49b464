"""Budgets: the most that a network may cost, as one value from the study's plan to the bundle."""

from dataclasses import dataclass
from typing import Literal

Exceeded = Literal["flops", "latency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The most that a network may cost; None means no cap.

    ``flops`` are 2 per multiply-add at batch 1, ``params`` trainable values. No delivered network is over either. A
    point over ``latency_ms``, which no training can promise, is infeasible.
    """

    flops: int | None = None
    params: int | None = None
    latency_ms: float | None = None

    def exceeded_by(self, flops: int, latency_ms: float | None) -> tuple[Exceeded, ...]:
        """Return which budgets a point does not keep. A latency that nobody measured keeps none."""
        over: list[Exceeded] = []
        if not is_feasible(flops, self.flops):
            over.append("flops")
        if self.latency_ms is not None and (latency_ms is None or latency_ms > self.latency_ms):
            over.append("latency")
        return tuple(over)


def is_feasible(flops: int, flop_budget: int | None) -> bool:
    """True at or under the FLOP budget; without a budget everything is."""
    return flop_budget is None or flops <= flop_budget
