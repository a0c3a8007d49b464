"""Budgets: upper limits on a network's cost, in one record from the study's plan to the bundle."""

from dataclasses import dataclass
from typing import Literal

Exceeded = Literal["flops", "latency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Upper limits on a network's cost. None means no limit.

    ``flops`` counts 2 per multiply-add at batch 1, and ``params`` counts trainable values. No delivered network exceeds
    either. No training can guarantee ``latency_ms``, so a point that exceeds it is infeasible.
    """

    flops: int | None = None
    params: int | None = None
    latency_ms: float | None = None

    def exceeded_by(self, flops: int, latency_ms: float | None) -> tuple[Exceeded, ...]:
        """Return the budgets that a point exceeds.

        A latency that was not measured (None) exceeds every latency budget.
        """
        over: list[Exceeded] = []
        if not is_feasible(flops, self.flops):
            over.append("flops")
        if self.latency_ms is not None and (latency_ms is None or latency_ms > self.latency_ms):
            over.append("latency")
        return tuple(over)


def is_feasible(flops: int, flop_budget: int | None) -> bool:
    """Return True at or under the FLOP budget. Without a budget (None) everything is feasible."""
    return flop_budget is None or flops <= flop_budget
