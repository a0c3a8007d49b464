"""Intervals and ties of repeated points: what is said of them is true as often as it claims."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.results.confirmation import are_tied, confirmation, replicate_samples

DELTAS = st.floats(-100.0, 100.0, allow_nan=False)


def seeds(*values: float, first: int = 0) -> dict[int, float]:
    return dict(enumerate(values, first))


@pytest.mark.parametrize("samples", [{}, {4: 1.0}])
def test_one_seed_confirms_nothing(samples: dict[int, float]) -> None:
    assert confirmation(samples) is None
    assert are_tied(samples, seeds(1.0, 2.0)) is None
    assert are_tied(seeds(1.0, 2.0), samples) is None


def test_the_interval_is_students() -> None:
    found = confirmation(seeds(1.0, 2.0, 3.0))
    assert found is not None
    assert (found.mean, found.seeds) == (2.0, 3)
    # t for two degrees of freedom and 97.5 %, from a printed table.
    assert found.half_width == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)


@given(st.lists(DELTAS, min_size=2, max_size=6), DELTAS)
def test_the_interval_moves_with_its_samples(values: list[float], shift: float) -> None:
    found, moved = confirmation(seeds(*values)), confirmation(seeds(*(value + shift for value in values)))
    assert found is not None
    assert moved is not None
    assert found.low <= found.mean <= found.high
    assert moved.mean == pytest.approx(found.mean + shift, abs=1e-9)
    assert moved.half_width == pytest.approx(found.half_width, abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_truth_lies_within_as_often_as_promised(count: int) -> None:
    generator = random.Random(0)
    inside = 0
    for _ in range(4000):
        found = confirmation(seeds(*(generator.gauss(-3.0, 0.7) for _ in range(count))))
        assert found is not None
        inside += found.low <= -3.0 <= found.high
    # Three standard errors of a share of 0.95 among 4000.
    assert inside / 4000 == pytest.approx(0.95, abs=0.0104)


@pytest.mark.parametrize("same_repeats", [True, False])
def test_equal_points_are_told_apart_as_rarely_as_promised(same_repeats: bool) -> None:
    generator = random.Random(0)
    apart = 0
    for _ in range(2000):
        one = seeds(*(generator.gauss(0.0, 1.0) for _ in range(4)))
        other = seeds(*(generator.gauss(0.0, 1.0) for _ in range(4)), first=0 if same_repeats else 9)
        apart += are_tied(one, other) is False
    assert 0.02 < apart / 2000 < 0.065


@given(
    st.dictionaries(st.integers(0, 9), DELTAS, min_size=2, max_size=5),
    st.dictionaries(st.integers(0, 9), DELTAS, min_size=2, max_size=5),
)
def test_a_tie_is_one_from_both_sides(one: dict[int, float], other: dict[int, float]) -> None:
    assert are_tied(one, other) == are_tied(other, one)
    assert are_tied(one, one) is True


def test_points_of_the_same_repeats_are_compared_seed_by_seed() -> None:
    """What moves both alike says nothing of which is better."""
    one, other = seeds(-3.0, 0.0, 3.0), seeds(-3.6, -0.5, 2.5)
    assert are_tied(one, other) is False
    assert are_tied(one, dict(enumerate(other.values(), 7))) is True


def test_samples_are_of_the_same_trial_and_the_same_derived_point() -> None:
    values = {
        (7, 0): (1.0, 50), (7, 1): (0.5, 40),
        (12, 0): (0.8, 49), (12, 1): (0.2, 39), (12, 2): (0.1, 30),
        (13, 0): (0.9, 48),
        (14, 0): (9.0, 10),
    }  # fmt: skip
    # Trial 3 is void, so it has no values, and 14 repeats nothing that counts.
    found = replicate_samples(values, {12: 7, 13: 7, 14: 3})
    assert found == {(7, 0): {12: 0.8, 13: 0.9}, (7, 1): {12: 0.2}}
