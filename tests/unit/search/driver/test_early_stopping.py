"""Early stopping keeps what is best at both ends of the trade-off, and is the same however often it is rebuilt."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.config.early_stopping import StoppingRule
from gatefront.search.driver.early_stopping import EarlyStopping
from gatefront.search.results.nondominated_sort import constrained_order
from gatefront.search.results.pareto import pareto_front
from gatefront.spaces.budgets.budgets import is_feasible

BUDGET = 500
POINTS = st.lists(st.tuples(st.integers(-5, 5).map(float), st.integers(1, 9).map(lambda n: 100 * n)), max_size=25)
RULES = st.builds(StoppingRule, eta=st.integers(2, 4), grace=st.integers(1, 3), min_trials=st.integers(1, 6))


def _play(stopping: EarlyStopping, points: list[tuple[float, int]], epoch: int) -> list[bool]:
    return [stopping.should_stop(number, epoch, *point) for number, point in enumerate(points)]


@given(POINTS, RULES)
def test_front_of_the_rung_is_never_stopped(points: list[tuple[float, int]], rule: StoppingRule) -> None:
    stopping = EarlyStopping(rule)
    for number, point in enumerate(points):
        stopped = stopping.should_stop(number, rule.grace, *point)
        assert not (stopped and pareto_front(points[: number + 1])[-1])


@given(POINTS, RULES)
def test_dominated_trials_stop_once_enough_have_come(points: list[tuple[float, int]], rule: StoppingRule) -> None:
    """A trial stops exactly if it is neither on the front nor among the best one in eta, judged as it arrives."""
    stopped = _play(EarlyStopping(rule, flop_budget=BUDGET), points, rule.grace)
    for number, was_stopped in enumerate(stopped):
        known = points[: number + 1]
        place = constrained_order(known, BUDGET)[-1]
        behind = place.front > 0 and place.position >= len(known) / rule.eta
        assert was_stopped == (behind and len(known) >= rule.min_trials)


@given(POINTS)
def test_order_puts_the_feasible_first_and_no_point_before_one_that_dominates_it(
    points: list[tuple[float, int]],
) -> None:
    places = constrained_order(points, BUDGET)
    assert sorted(place.position for place in places) == list(range(len(points)))
    for (delta, flops), place in zip(points, places, strict=True):
        for (other_delta, other_flops), other in zip(points, places, strict=True):
            feasible, other_feasible = is_feasible(flops, BUDGET), is_feasible(other_flops, BUDGET)
            if feasible and not other_feasible:
                assert place.position < other.position
            dominates = delta >= other_delta and flops <= other_flops and (delta, flops) != (other_delta, other_flops)
            if dominates and feasible == other_feasible:
                assert place.front < other.front
                assert place.position < other.position


@given(POINTS, st.sampled_from([0.01, 3.0]), st.sampled_from([2, 1000]))
def test_units_do_not_matter(points: list[tuple[float, int]], percent: float, flops: int) -> None:
    scaled = [(delta * percent, cost * flops) for delta, cost in points]
    fronts = [place.front for place in constrained_order(points, BUDGET)]
    assert [place.front for place in constrained_order(scaled, BUDGET * flops)] == fronts


def test_ends_of_a_front_come_before_a_crowded_middle() -> None:
    points = [(0.0, 100), (5.0, 500), (5.1, 510), (5.2, 520), (9.0, 900)]
    assert [place.position for place in constrained_order(points, None)] == [0, 2, 4, 3, 1]


@given(POINTS, RULES, st.data())
def test_rebuilt_rungs_judge_alike(points: list[tuple[float, int]], rule: StoppingRule, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(points)))
    whole, rebuilt = EarlyStopping(rule), EarlyStopping(rule)
    before = _play(whole, points[:cut], rule.grace)
    for number, point in enumerate(points[:cut]):
        rebuilt.record(number, rule.grace, *point)
    for number, point in enumerate(points[cut:], start=cut):
        assert rebuilt.should_stop(number, rule.grace, *point) == whole.should_stop(number, rule.grace, *point)
    assert len(before) == cut


@pytest.mark.parametrize(
    ("rule", "rungs"),
    [
        (StoppingRule(), [3, 9, 27]),
        (StoppingRule(eta=2, grace=1), [1, 2, 4, 8, 16]),
        (StoppingRule(eta=4, grace=2), [2, 8]),
    ],
)
def test_rungs_are_powers(rule: StoppingRule, rungs: list[int]) -> None:
    assert [epoch for epoch in range(1, 30) if rule.is_rung(epoch)] == rungs
    assert rule.rungs_until(29) == rungs
    assert rule.rungs_until(rungs[0] - 1) == []


def test_between_rungs_nobody_stops_and_nothing_is_compared() -> None:
    stopping = EarlyStopping(StoppingRule(eta=2, grace=2, min_trials=1))
    assert not stopping.should_stop(0, 2, 1.0, 100)
    assert not stopping.should_stop(1, 3, -90.0, 900)
    assert stopping.should_stop(1, 4, -90.0, 900) is False  # the first at its rung
    assert stopping.should_stop(2, 2, -90.0, 900)


def test_repeated_epoch_replaces_the_earlier_one() -> None:
    stopping = EarlyStopping(StoppingRule(eta=2, grace=1, min_trials=2))
    stopping.should_stop(0, 1, 1.0, 100)
    verdict = stopping.judge(1, 1, 0.0, 200)
    assert verdict is not None
    assert (verdict.rung, verdict.place, verdict.num_trials) == (1, 2, 2)
    assert stopping.judge(1, 1, 2.0, 100) is None


@pytest.mark.parametrize("delta_mtl", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_to_fail_by_itself(delta_mtl: float) -> None:
    stopping = EarlyStopping(StoppingRule(eta=2, grace=1, min_trials=1))
    assert not stopping.should_stop(0, 1, delta_mtl, 1)
    assert not stopping.should_stop(1, 1, -50.0, 900)


@given(POINTS, RULES, st.sets(st.integers(0, 24)))
def test_exempt_trials_neither_stop_nor_count(
    points: list[tuple[float, int]], rule: StoppingRule, exempt: set[int]
) -> None:
    with_exempt, without = EarlyStopping(rule, is_exempt=exempt.__contains__), EarlyStopping(rule)
    for number, point in enumerate(points):
        stopped = with_exempt.should_stop(number, rule.grace, *point)
        assert stopped == (number not in exempt and without.should_stop(number, rule.grace, *point))
