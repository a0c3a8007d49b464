"""Search for the widths that use up a FLOP budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatefront.spaces.errors import BudgetBelowFloorError

CostOfWidths = Callable[[Sequence[int]], int]
"""Function that returns the FLOPs of a network from the channels of its slots. It never falls if a slot grows."""

ENOUGH = 0.98
"""Share of a budget that a fit uses at least, wherever one more step of a slot would fit."""

_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class WidthSlot:
    """Number of channels that a fit may choose: a multiple of ``step``.

    It is at least ``least_steps`` steps, and at most ``most`` channels. ``own`` is the number at scale 1. Slots keep
    their proportions as far as steps allow.
    """

    own: float
    step: int = 1
    most: int | None = None
    least_steps: int = 1

    def at(self, scale: float) -> int:
        """Return the channels at a multiple of ``own``, within the limits."""
        channels = self.step * max(self.least_steps, round(self.own * scale / self.step))
        return channels if self.most is None else min(channels, self.most)


def fit_slots(slots: Sequence[WidthSlot], cost: CostOfWidths, flop_budget: int, *, enough: float = 1.0) -> list[int]:
    """Return the channels of every slot that use up the budget.

    First all slots are scaled together as far as the budget allows. Then single slots grow by a step, the one that is
    furthest below its proportion first, until no step of any slot fits or the share ``enough`` of the budget is used.

    Raises:
        BudgetBelowFloorError: all slots at their least cost more than the budget.
    """
    least = cost(_at(slots, 0.0))
    if least > flop_budget:
        raise BudgetBelowFloorError(
            f"Cannot fit widths to {flop_budget:,} FLOPs: the narrowest network costs more (found {least:,} FLOPs).",
            hint=f"Raise the budget to at least {least:,} FLOPs, or choose a smaller backbone.",
        )
    widths = _scale_together(slots, cost, flop_budget, enough)
    return _grow_singly(slots, widths, cost, flop_budget, enough)


def _at(slots: Sequence[WidthSlot], scale: float) -> list[int]:
    return [slot.at(scale) for slot in slots]


def _scale_together(slots: Sequence[WidthSlot], cost: CostOfWidths, flop_budget: int, enough: float) -> list[int]:
    low, high = 0.0, 1.0
    while cost(_at(slots, high)) <= flop_budget and _at(slots, high) != _at(slots, low):
        low, high = high, 2 * high
    found = _at(slots, low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        widths = _at(slots, middle)
        if widths == found or (flops := cost(widths)) <= flop_budget:
            low, found = middle, widths
            if widths != found and flops >= enough * flop_budget:
                break
        else:
            high = middle
        if _at(slots, high) == found:
            break
    return found


def _grow_singly(
    slots: Sequence[WidthSlot], widths: list[int], cost: CostOfWidths, flop_budget: int, enough: float
) -> list[int]:
    growing = list(range(len(slots)))
    while growing and cost(widths) < enough * flop_budget:
        chosen = min(growing, key=lambda index: widths[index] / slots[index].own)
        slot = slots[chosen]
        grown = [*widths[:chosen], widths[chosen] + slot.step, *widths[chosen + 1 :]]
        if (slot.most is not None and grown[chosen] > slot.most) or cost(grown) > flop_budget:
            growing.remove(chosen)  # costs never fall, so this step will not fit later either
        else:
            widths = grown
    return widths
