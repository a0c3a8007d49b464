"""Losses against formulas written out, and what missing labels do to them."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX
from gatefront.trainer.losses import task_loss

Draw = Callable[[Task, int], tuple[Tensor, Tensor]]


def with_gaps(label: Tensor, gaps: slice) -> Tensor:
    gappy = label.clone()
    gappy[gaps] = torch.nan if label.is_floating_point() else IGNORE_INDEX
    return gappy


def test_gaps_do_not_count(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 6)
    whole = task_loss(task, prediction[:4], label[:4])
    gappy = task_loss(task, prediction, with_gaps(label, slice(4, 6)))
    torch.testing.assert_close(gappy, whole)


def test_no_label_means_no_loss_and_no_gradient(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 3)
    prediction.requires_grad_()
    loss = task_loss(task, prediction, with_gaps(label, slice(None)))
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None
    assert not prediction.grad.any()


def test_half_precision_predictions_are_scored_in_float32(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 3)
    loss = task_loss(task, prediction.bfloat16(), label)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, task_loss(task, prediction.bfloat16().float(), label))


def test_training_on_the_loss_lowers_it(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 8)
    prediction.requires_grad_()
    optimizer = torch.optim.SGD([prediction], lr=5.0)
    first = task_loss(task, prediction, label)
    for _ in range(20):
        optimizer.zero_grad()
        task_loss(task, prediction, label).backward()
        optimizer.step()
    assert task_loss(task, prediction, label) < 0.9 * first


def test_cross_entropy_of_even_logits_is_the_log_of_the_classes() -> None:
    task = Task(name="a", kind="segmentation", num_outputs=7)
    loss = task_loss(task, torch.zeros(2, 7, 3, 3), torch.randint(7, (2, 3, 3)))
    assert loss.item() == pytest.approx(math.log(7))


def test_depth_is_l1_in_metres() -> None:
    task = Task(name="a", kind="depth", num_outputs=1)
    label = torch.tensor([1.0, 2.0, torch.nan, 4.0]).view(1, 1, 2, 2)
    assert task_loss(task, torch.full((1, 1, 2, 2), 3.0), label).item() == pytest.approx((2 + 1 + 1) / 3)


def test_normals_ignore_the_length_of_the_prediction() -> None:
    task = Task(name="a", kind="normals", num_outputs=3)
    label = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    assert task_loss(task, 5 * label, label).item() == pytest.approx(0)
    sideways = torch.tensor([9.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert task_loss(task, sideways, label).item() == pytest.approx(2 / 3)


def test_edges_weigh_nineteen_to_one() -> None:
    task = Task(name="a", kind="edges", num_outputs=1)
    logits = torch.zeros(1, 1, 1, 2)
    on, off = torch.tensor([[[[1.0, torch.nan]]]]), torch.tensor([[[[0.0, torch.nan]]]])
    assert task_loss(task, logits, on).item() == pytest.approx(0.95 * math.log(2))
    assert task_loss(task, logits, off).item() == pytest.approx(0.05 * math.log(2))


def test_saliency_weighs_both_classes_alike_however_rare() -> None:
    task = Task(name="a", kind="saliency", num_outputs=1)
    label = torch.tensor([1.0, 0.0, 0.0, 0.0, torch.nan]).view(1, 1, 1, 5)
    logits = torch.tensor([2.0, 0.0, 0.0, 0.0, 7.0]).view(1, 1, 1, 5)
    expected = (0.75 * math.log1p(math.exp(-2)) + 3 * 0.25 * math.log(2)) / 4
    assert task_loss(task, logits, label).item() == pytest.approx(expected)


def test_smoothed_classes_spread_a_share_over_all() -> None:
    task = Task(name="classes", kind="classification", num_outputs=3)
    logits, label = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]), torch.tensor([0, IGNORE_INDEX])
    total = math.exp(2.0) + 1.0 + math.exp(-1.0)
    p = [math.exp(2.0) / total, 1.0 / total, math.exp(-1.0) / total]
    expected = -(0.9 + 0.1 / 3) * math.log(p[0]) - 0.1 / 3 * (math.log(p[1]) + math.log(p[2]))
    assert float(task_loss(task, logits, label, smoothing=0.1)) == pytest.approx(expected, rel=1e-5)


def test_smoothed_attributes_are_less_sure_of_yes_and_no() -> None:
    task = Task(name="attributes", kind="multilabel", num_outputs=2)
    logits, label = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, torch.nan]])
    yes = 1 / (1 + math.exp(-2.0))
    expected = -0.95 * math.log(yes) - 0.05 * math.log(1 - yes)
    assert float(task_loss(task, logits, label, smoothing=0.1)) == pytest.approx(expected, rel=1e-5)


def test_smoothing_leaves_other_kinds_alone(draw: Draw) -> None:
    for kind, outputs in (("depth", 1), ("normals", 3), ("edges", 1), ("saliency", 1)):
        task = Task(name="a", kind=kind, num_outputs=outputs)  # type: ignore[arg-type]
        prediction, label = draw(task, 3)
        assert torch.equal(task_loss(task, prediction, label, smoothing=0.2), task_loss(task, prediction, label))
