"""Budgets: the costs that they allow."""

from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces.budgets.budgets import Budgets, is_feasible

costs = st.integers(1, 10**15)
times = st.floats(1e-6, 1e6)


@given(costs, times, st.none() | costs, st.none() | times)
def test_a_point_is_feasible_if_no_budget_is_exceeded(
    flops: int, latency_ms: float, flop_budget: int | None, budget_ms: float | None
) -> None:
    over = Budgets(flops=flop_budget, latency_ms=budget_ms).exceeded_by(flops, latency_ms)
    assert ("flops" in over) == (flop_budget is not None and flops > flop_budget)
    assert ("latency" in over) == (budget_ms is not None and latency_ms > budget_ms)


def test_an_unmeasured_point_keeps_no_latency_budget() -> None:
    assert Budgets(latency_ms=4.0).exceeded_by(1, None) == ("latency",)
    assert Budgets().exceeded_by(1, None) == ()


def test_at_the_budget_is_feasible() -> None:
    assert is_feasible(50, 50)
    assert not is_feasible(51, 50)
    assert is_feasible(10**18, None)
