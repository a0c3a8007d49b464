"""A fit keeps the budget, and leaves no room for one more step of any slot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces import BudgetBelowFloorError
from gatefront.spaces.families.width_fit import WidthSlot, fit_slots


def _chain(widths: list[int]) -> int:
    """Return the cost of a chain of dense layers from three inputs."""
    return sum(a * b for a, b in zip([3, *widths], widths, strict=False))


SLOTS = st.lists(st.builds(WidthSlot, own=st.integers(1, 64), step=st.sampled_from([1, 2, 8])), min_size=1, max_size=6)


@given(slots=SLOTS, budget=st.integers(1, 100_000))
def test_fit_never_exceeds_the_budget_and_no_further_step_fits(slots: list[WidthSlot], budget: int) -> None:
    least = _chain([slot.step for slot in slots])
    if least > budget:
        with pytest.raises(BudgetBelowFloorError, match=rf"found {least:,} FLOPs"):
            fit_slots(slots, _chain, budget)
        return
    widths = fit_slots(slots, _chain, budget)
    assert _chain(widths) <= budget
    for at, slot in enumerate(slots):
        assert widths[at] >= slot.step
        assert widths[at] % slot.step == 0
        assert _chain([*widths[:at], widths[at] + slot.step, *widths[at + 1 :]]) > budget


def test_fit_keeps_the_proportions_of_the_slots() -> None:
    slots = [WidthSlot(own=16), WidthSlot(own=32), WidthSlot(own=64)]
    widths = fit_slots(slots, _chain, _chain([64, 128, 256]))
    assert widths == [64, 128, 256]


def test_fit_does_not_widen_beyond_most() -> None:
    assert fit_slots([WidthSlot(own=16, most=16), WidthSlot(own=8, most=8)], _chain, 10**9) == [16, 8]
