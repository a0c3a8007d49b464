"""Sums of losses with changing weights, against formulas written out, and tasks that a batch has no label of."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from gatefront.spaces import Task
from gatefront.trainer.config import WeightingName
from gatefront.trainer.data import Batch
from gatefront.trainer.weighting import TrainingStep, Weighting, build_weighting

TASKS = tuple(Task(name=name, kind="classification", num_outputs=2) for name in ("a", "b"))
BY_VALUE: tuple[WeightingName, ...] = ("uw-so", "stch", "gls")


def built(name: WeightingName) -> Weighting:
    return build_weighting(name, nn.Module(), TASKS, num_steps=1)


def weights_of(weighting: Weighting, values: Sequence[float]) -> list[float]:
    """Return the weight of each loss in one step."""
    losses = torch.tensor(values, requires_grad=True)
    weighting.backward(
        TrainingStep(
            losses=tuple(losses.unbind()),
            batch=Batch(torch.zeros(1, 1), {}),
            learning_rate=0.1,
            losses_of=lambda *_: (),
            other_batch=lambda: Batch(torch.zeros(1, 1), {}),
        )
    )
    found: list[float] = [0.0] * len(values) if losses.grad is None else losses.grad.tolist()
    return found


def test_uw_so_is_a_softmax_of_inverse_losses() -> None:
    a, b = math.exp(1 / (20 * 0.05)), math.exp(1 / (20 * 0.5))
    assert weights_of(built("uw-so"), [0.05, 0.5]) == pytest.approx([2 * a / (a + b), 2 * b / (a + b)])


def test_stch_is_a_smooth_maximum() -> None:
    a, b = math.exp(0.3 / (2 * 0.1)), math.exp(0.1 / (2 * 0.1))
    assert weights_of(built("stch"), [0.3, 0.1]) == pytest.approx([2 * a / (a + b) / 2, 2 * b / (a + b) / 2])


def test_gls_weighs_by_inverse_losses_at_the_geometric_mean() -> None:
    mean = math.sqrt(0.8 * 0.2)
    assert weights_of(built("gls"), [0.8, 0.2]) == pytest.approx([mean / 0.8, mean / 0.2])


def test_imtl_l_learns_what_the_formula_says() -> None:
    weighting = built("imtl-l")
    (s,) = weighting.parameters()
    s.data = torch.tensor([0.0, -1.0])
    assert weights_of(weighting, [3.0, 5.0]) == pytest.approx([1.0, math.exp(-1)])
    assert s.grad is not None
    assert s.grad.tolist() == pytest.approx([3.0 - 1.0, 5.0 * math.exp(-1) - 1.0])


@pytest.mark.parametrize("name", ["uw-so", "gls"])
def test_equal_losses_have_weights_of_one(name: WeightingName) -> None:
    assert weights_of(built(name), [0.4, 0.4]) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("name", BY_VALUE)
def test_task_without_labels_is_left_out(name: WeightingName) -> None:
    """Its loss is 0, whose inverse or logarithm would take everything."""
    assert weights_of(built(name), [0.4, 0.0]) == pytest.approx([1.0, 0.0])
    assert weights_of(built(name), [0.0, 0.0]) == [0.0, 0.0]
