"""The grid has every combination once before it repeats any, spans the space early, and goes on where it was."""

import itertools
import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gatefront.search.errors import StudyFileError
from gatefront.search.sampling.filtered_sampler import FilteredSampler
from gatefront.search.sampling.grid_sampler import GridSampler, grid_values

SPACE: dict[str, BaseDistribution] = {
    "tau": FloatDistribution(0.0, 0.8),
    "lambda": FloatDistribution(0.1, 10.0, log=True),
    "width": CategoricalDistribution((0.5, 1.0)),
}

RANGES = st.one_of(
    st.builds(
        lambda low, span, log: FloatDistribution(low, low + span, log=log),
        st.floats(1e-6, 1e3),
        st.floats(1e-3, 1e3),
        st.booleans(),
    ),
    st.builds(
        lambda low, span, log: IntDistribution(low, low + span, log=log),
        st.integers(1, 50),
        st.integers(1, 50),
        st.booleans(),
    ),
)


@given(RANGES, st.integers(2, 9))
def test_values_of_a_range_lie_inside_it_apart_and_at_both_ends(
    distribution: FloatDistribution | IntDistribution, num_points: int
) -> None:
    values = grid_values(distribution, num_points)
    assert (values[0], values[-1]) == (distribution.low, distribution.high)
    assert list(values) == sorted(set(values))
    assert len(values) <= num_points
    assert all(distribution._contains(distribution.to_internal_repr(value)) for value in values)


def test_log_range_is_spaced_geometrically() -> None:
    assert grid_values(FloatDistribution(0.1, 10.0, log=True), 3) == pytest.approx((0.1, 1.0, 10.0))


@settings(deadline=None)
@given(st.integers(2, 5), st.integers(1, 60))
def test_every_combination_comes_once(points_per_range: int, num_trials: int) -> None:
    points = GridSampler(SPACE, points_per_range=points_per_range, num_trials=num_trials).points
    expected = itertools.product(*(grid_values(one, points_per_range) for one in SPACE.values()))
    assert sorted(tuple(point.values()) for point in points) == sorted(expected)


@pytest.mark.parametrize("points_per_range", [2, 4, 5, 10])
def test_grid_of_tau_and_lambda_begins_with_its_corners(points_per_range: int) -> None:
    space = {name: SPACE[name] for name in ("tau", "lambda")}
    points = GridSampler(space, points_per_range=points_per_range, num_trials=50).points
    assert sorted(tuple(point.values()) for point in points[:4]) == sorted(itertools.product((0.0, 0.8), (0.1, 10.0)))


@pytest.mark.parametrize("cut_off", [5, 8, 13])
def test_grid_that_is_cut_off_leaves_no_corner_of_the_space_empty(cut_off: int) -> None:
    """In the unit square no place is farther from the nearest point tried than half a diagonal."""
    space = {name: FloatDistribution(0.0, 1.0) for name in ("x", "y")}
    points = GridSampler(space, points_per_range=9, num_trials=cut_off).points[:cut_off]
    places = [(float(point["x"]), float(point["y"])) for point in points]
    for x, y in itertools.product((0.0, 0.25, 0.5, 0.75, 1.0), repeat=2):
        assert min(math.dist((x, y), place) for place in places) <= 0.71


def test_grid_that_is_used_up_begins_again() -> None:
    space: dict[str, BaseDistribution] = {"width": CategoricalDistribution((0.5, 1.0))}
    study = _study(space)
    asked = [study.ask(space).params["width"] for _ in range(5)]
    assert asked == [0.5, 1.0, 0.5, 1.0, 0.5]


def test_another_driver_goes_on_behind_the_last_point() -> None:
    study = _study(SPACE)
    asked = [study.ask(SPACE).params for _ in range(7)]
    study.sampler = GridSampler(SPACE, points_per_range=3, num_trials=18)
    asked += [study.ask(SPACE).params for _ in range(11)]
    assert asked == list(study.sampler.points)


def test_enqueued_trial_takes_no_place_in_the_grid() -> None:
    study = _study(SPACE)
    study.enqueue_trial({"tau": 0.123})
    first, second = study.ask(SPACE).params, study.ask(SPACE).params
    assert first["tau"] == 0.123
    assert set(first) == set(SPACE)
    assert second == _points(study)[0]


def test_grid_without_knobs_is_one_point_with_many_seeds() -> None:
    study = _study({})
    assert [study.ask({}).params for _ in range(3)] == [{}] * 3


def test_grid_too_large_is_refused_with_its_size() -> None:
    space: dict[str, BaseDistribution] = {f"knob{n}": FloatDistribution(0.0, 1.0) for n in range(8)}
    with pytest.raises(StudyFileError, match="390,625 points"):
        GridSampler(space, points_per_range=5, num_trials=10)


def _study(space: dict[str, BaseDistribution]) -> optuna.Study:
    sampler = GridSampler(space, points_per_range=3, num_trials=18)
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)


def _points(study: optuna.Study) -> list[dict[str, object]]:
    assert isinstance(study.sampler, GridSampler)
    return [dict(point) for point in study.sampler.points]


def test_place_of_a_trial_that_is_no_longer_shown_is_free_again() -> None:
    study = _study(SPACE)
    sampler = study.sampler
    assert isinstance(sampler, GridSampler)
    for _ in range(5):
        study.ask(SPACE)
    study.sampler = FilteredSampler(sampler, lambda: {2})
    assert [study.ask(SPACE).params for _ in range(2)] == [sampler.points[2], sampler.points[5]]
