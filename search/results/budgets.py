"""Budgets, and whether an outcome keeps them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Point = tuple[float, int]


Exceeded = Literal["flops", "latency"]


class Outcome(NamedTuple):
    """What a delivered network is worth and costs. ``latency_ms`` None: the study does not measure it."""

    delta_mtl: float
    flops: int
    latency_ms: float | None = None


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
        """Which budgets a point does not keep, none for a feasible one. A latency that nobody measured keeps none."""
        over: list[Exceeded] = []
        if not is_feasible(flops, self.flops):
            over.append("flops")
        if self.latency_ms is not None and (latency_ms is None or latency_ms > self.latency_ms):
            over.append("latency")
        return tuple(over)


def is_feasible(flops: int, flop_budget: int | None) -> bool:
    """True at or under the FLOP budget; without a budget everything is."""
    return flop_budget is None or flops <= flop_budget
