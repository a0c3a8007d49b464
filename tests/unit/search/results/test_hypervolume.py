"""The history of a study's hypervolume and its band: at every trial what one would compute of the points so far."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.hypervolume import GrowingHypervolume, hypervolume_points
from gatefront.search.results.outcome import Point
from gatefront.search.results.pareto import ReferenceFrame, hypervolume
from gatefront.search.results.records import TrialPoint
from gatefront.search.results.states import TrialState

FRAME = ReferenceFrame(single_task_flops=100, flops=60, delta_mtl=-10.0)
START = datetime(2026, 3, 1, tzinfo=UTC)

Drawn = tuple[int, int, bool, tuple[int, int] | None]


def new_point(number: int, drawn: Drawn) -> TrialPoint:
    """Of what was drawn: Δ_MTL, FLOPs, whether it is feasible, and mean and half width of its repeats."""
    delta_mtl, flops, is_feasible, replicates = drawn
    sure = None
    if replicates is not None:
        mean, half_width = replicates
        sure = Confirmation(mean=mean, low=mean - half_width, high=mean + half_width, seeds=3)
    return TrialPoint(
        number=number, state=TrialState.COMPLETE, cause="", delta_mtl=float(delta_mtl), flops=flops, num_parameters=1,
        metrics={}, params={}, on_front=False, is_feasible=is_feasible, epoch=1, num_epochs=1, started_at=START,
        finished_at=START + timedelta(seconds=number), seconds=1.0, confirmation=sure,
    )  # fmt: skip


def ends(points: list[TrialPoint]) -> tuple[list[Point], list[Point]]:
    low = [(p.confirmation.low if p.confirmation else p.delta_mtl or 0.0, p.flops or 0) for p in points]
    high = [(p.confirmation.high if p.confirmation else p.delta_mtl or 0.0, p.flops or 0) for p in points]
    return low, high


@given(
    st.lists(
        st.tuples(
            st.integers(-14, 4),
            st.integers(20, 70),
            st.booleans(),
            st.none() | st.tuples(st.integers(-14, 4), st.integers(0, 5)),
        ),
        max_size=12,
    )
)
def test_band_of_every_trial_is_that_of_the_points_so_far(drawn: list[Drawn]) -> None:
    points = [new_point(number, one) for number, one in enumerate(drawn)]
    feasible = [point for point in points if point.is_feasible]
    history = hypervolume_points(reversed(points), FRAME)
    assert [found.trial for found in history] == [point.number for point in feasible]
    for found, count in zip(history, range(1, len(feasible) + 1), strict=True):
        so_far = feasible[:count]
        if all(point.confirmation is None for point in so_far):
            assert found.band is None
            continue
        assert found.band is not None
        assert found.band == pytest.approx(tuple(hypervolume(side, FRAME) for side in ends(so_far)))
        assert found.band[0] - 1e-9 <= found.hypervolume <= found.band[1] + 1e-9


def test_derived_points_belong_to_the_step_of_their_trial() -> None:
    trial, derived = new_point(1, (-4, 50, True, None)), new_point(1, (-9, 30, True, (-6, 1)))
    (found,) = hypervolume_points([trial, replace(derived, derived=1)], FRAME)
    low, high = ends([trial, derived])
    assert (found.num_complete, found.trial) == (1, 1)
    assert found.band == pytest.approx((hypervolume(low, FRAME), hypervolume(high, FRAME)))


def test_without_hard_sharing_there_is_no_history() -> None:
    growing = GrowingHypervolume(None)
    growing.add([new_point(1, (-4, 50, True, (-4, 1)))])
    assert growing.points == ()
