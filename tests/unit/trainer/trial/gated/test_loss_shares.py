"""Shares of the loss: mean 1, slow to change, and not moved by batches without labels."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatefront.trainer.trial.gated.loss_shares import LossShares

losses = st.lists(st.floats(1e-6, 1e3), min_size=3, max_size=3)


def _tensors(values: list[float]) -> list[torch.Tensor]:
    return [torch.tensor(value) for value in values]


@given(steps=st.lists(losses, min_size=1, max_size=8))
def test_mean_is_one_and_a_restored_one_goes_on_alike(steps: list[list[float]]) -> None:
    shares, restored = LossShares(), LossShares()
    for step in steps[:-1]:
        shares.update(_tensors(step))
    restored.restore(shares.state())
    last = shares.update(_tensors(steps[-1]))
    assert float(last.mean()) == pytest.approx(1)
    assert torch.allclose(restored.update(_tensors(steps[-1])), last)


def test_average_follows_slowly() -> None:
    shares = LossShares()
    assert shares.update(_tensors([3.0, 1.0])).tolist() == pytest.approx([1.5, 0.5])
    # 0.95 * 3 + 0.05 * 1 = 2.9 against 1.
    assert shares.update(_tensors([1.0, 1.0])).tolist() == pytest.approx([2 * 2.9 / 3.9, 2 / 3.9])


def test_task_without_labels_keeps_its_share() -> None:
    shares = LossShares()
    before = shares.update(_tensors([3.0, 1.0]))
    assert torch.equal(shares.update(_tensors([3.0, 0.0])), before)


def test_no_loss_at_all_presses_evenly() -> None:
    assert LossShares().update(_tensors([0.0, 0.0])).tolist() == [1.0, 1.0]
