"""Front, feasibility and hypervolume, as properties over awkward points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.results.pareto import (
    ReferenceFrame,
    RunningHypervolume,
    best_under_budget,
    hypervolume,
    pareto_front,
)
from gatefront.spaces.budgets.budgets import is_feasible

FRAME = ReferenceFrame(single_task_flops=100, flops=50, delta_mtl=-10.0)

# Few distinct values, so that ties and duplicates are common.
POINTS = st.lists(st.tuples(st.integers(-40, 40).map(lambda n: n / 2), st.integers(1, 120)), max_size=25)


def _dominates(a: tuple[float, int], b: tuple[float, int]) -> bool:
    return a[0] >= b[0] and a[1] <= b[1] and a != b


@given(POINTS)
def test_front_is_what_nothing_dominates(points: list[tuple[float, int]]) -> None:
    assert pareto_front(points) == [not any(_dominates(other, point) for other in points) for point in points]


THREE = st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 5), st.integers(1, 5)), max_size=15)


@given(THREE)
def test_front_of_three_is_what_nothing_dominates(points: list[tuple[int, int, int]]) -> None:
    def is_beaten(point: tuple[int, int, int]) -> bool:
        return any(o[0] >= point[0] and o[1] <= point[1] and o[2] <= point[2] and o != point for o in points)

    assert pareto_front(points) == [not is_beaten(point) for point in points]


@given(POINTS)
def test_hypervolume_is_that_of_the_front_alone(points: list[tuple[float, int]]) -> None:
    front = [point for point, on_front in zip(points, pareto_front(points), strict=True) if on_front]
    assert hypervolume(points, FRAME) == pytest.approx(hypervolume(front, FRAME))


@given(POINTS)
def test_running_hypervolume_never_falls_and_ends_at_the_hypervolume(points: list[tuple[float, int]]) -> None:
    running = RunningHypervolume(FRAME)
    history = [running.add(point) for point in points]
    assert history == sorted(history)
    assert [pytest.approx(value) for value in history] == [
        hypervolume(points[: count + 1], FRAME) for count in range(len(points))
    ]


@given(POINTS)
def test_worse_than_the_reference_point_adds_nothing(points: list[tuple[float, int]]) -> None:
    useless = [(FRAME.delta_mtl - 1, 1), (30.0, FRAME.flops + 1)]
    assert hypervolume([*points, *useless], FRAME) == pytest.approx(hypervolume(points, FRAME))


def test_hypervolume_is_fraction_of_single_task_times_percentage_points() -> None:
    # 5 points of Δ_MTL above hard sharing and 20 % of the single-task cost under the budget.
    assert hypervolume([(-5.0, 30)], FRAME) == pytest.approx(5.0 * 0.2)


@given(POINTS, st.integers(1, 120))
def test_best_under_budget_is_feasible_and_on_the_front(points: list[tuple[float, int]], flop_budget: int) -> None:
    best = best_under_budget(points, flop_budget)
    feasible = [point for point in points if is_feasible(point[1], flop_budget)]
    if best is None:
        assert feasible == []
    else:
        assert points[best][0] == max(point[0] for point in feasible)
        assert pareto_front(feasible)[feasible.index(points[best])]
