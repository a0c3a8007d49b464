"""Projection to the cone of directions that no task loses by: its conditions, and cases that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefront.trainer.weighting.dual_cone import LeastSquaresProjector

rows = st.lists(st.lists(st.integers(-8, 8).map(lambda n: n / 4), min_size=4, max_size=4), min_size=2, max_size=4)


@settings(deadline=None, max_examples=60)
@given(rows)
def test_projection_meets_the_conditions_of_an_optimum(gradients: list[list[float]]) -> None:
    jacobian = torch.tensor(gradients, dtype=torch.float64)
    gramian = jacobian @ jacobian.T
    u = torch.full((len(gradients),), 1 / len(gradients), dtype=torch.float64)
    v = LeastSquaresProjector()(u, gramian)  # type: ignore[arg-type]
    gains = (gramian @ v).numpy()
    assert (v - u).min() >= -1e-9
    assert gains.min() >= -1e-6  # no task loses
    assert np.abs((v - u).numpy() * gains).max() <= 1e-6  # only tasks that would have lost are given weight


def test_sum_that_conflicts_with_none_stays() -> None:
    gramian = torch.tensor([[4.0, 1.2], [1.2, 1.0]])
    u = torch.tensor([0.5, 0.5])
    torch.testing.assert_close(LeastSquaresProjector()(u, gramian), u)  # type: ignore[arg-type]


def test_each_row_is_projected_by_itself() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([-0.6, 0.8])
    jacobian = torch.stack([a, b])
    found = LeastSquaresProjector()(torch.eye(2), jacobian @ jacobian.T)  # type: ignore[arg-type]
    torch.testing.assert_close(found @ jacobian, torch.stack([a - (a @ b) * b, b - (a @ b) * a]))
    assert found.dtype == torch.float32


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_of_gradients_does_not_matter(scale: float) -> None:
    gramian = torch.tensor([[1.0, -0.6], [-0.6, 1.0]])
    u = torch.tensor([0.9, 0.1])
    projector = LeastSquaresProjector()
    torch.testing.assert_close(projector(u, scale * gramian), projector(u, gramian))  # type: ignore[arg-type]
