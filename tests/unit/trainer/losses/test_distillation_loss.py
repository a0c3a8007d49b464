"""Losses against a teacher: formulas written out, and what all kinds have in common."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.losses import distillation_loss, task_loss

Draw = Callable[[Task, int], tuple[Tensor, Tensor]]


def test_is_zero_where_both_agree_and_positive_elsewhere(task: Task, draw: Draw) -> None:
    student, teacher = draw(task, 6)[0], draw(task, 6)[0]
    assert float(distillation_loss(task, teacher, teacher, 2.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(distillation_loss(task, student, teacher, 2.0)) > 0.01


def test_draws_the_student_towards_the_teacher(task: Task, draw: Draw) -> None:
    student, teacher = draw(task, 6)[0].requires_grad_(), draw(task, 6)[0]
    optimizer = torch.optim.Adam([student], lr=0.05)
    before = float(distillation_loss(task, student.detach(), teacher, 2.0))
    for _ in range(60):
        optimizer.zero_grad()
        distillation_loss(task, student, teacher, 2.0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(distillation_loss(task, student.detach(), teacher, 2.0)) < 0.5 * before


def test_classes_are_softened_by_the_temperature() -> None:
    task = Task(name="classes", kind="classification", num_outputs=2)
    student, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    p, q = 1 / (1 + math.exp(1.5)), 1 / (1 + math.exp(-0.5))  # of the first class, at T = 2
    expected = 4 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    assert float(distillation_loss(task, student, teacher, 2.0)) == pytest.approx(expected, rel=1e-5)


def test_attributes_are_one_decision_each() -> None:
    task = Task(name="attributes", kind="multilabel", num_outputs=2)
    student, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    expected = 0.0
    for z, t in ((1.0, 0.0), (0.0, 3.0)):
        p, q = 1 / (1 + math.exp(-t)), 1 / (1 + math.exp(-z))
        expected += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert float(distillation_loss(task, student, teacher, 1.0)) == pytest.approx(expected / 2, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_size_of_a_small_gradient_does_not_depend_on_the_temperature(temperature: float) -> None:
    task = Task(name="classes", kind="classification", num_outputs=3)
    teacher = torch.tensor([[0.02, -0.01, 0.0]])
    student = torch.zeros(1, 3, requires_grad=True)
    distillation_loss(task, student, teacher, temperature).backward()  # type: ignore[no-untyped-call]
    centered = teacher - teacher.mean()
    torch.testing.assert_close(student.grad, -centered / 3, rtol=0.02, atol=1e-5)


def test_edges_weigh_pixels_as_the_task_loss_does() -> None:
    """A teacher that fits labels with a tenth of edges has the probability that is best under the balanced loss.

    The gradient against the teacher is then that against the labels themselves.
    """
    task = Task(name="edges", kind="edges", num_outputs=1)
    labels = torch.zeros(1, 1, 2, 5)
    labels[..., 0, 0] = 1.0
    best = 0.95 * 0.1 / (0.95 * 0.1 + 0.05 * 0.9)
    teacher = torch.full((1, 1, 2, 5), math.log(best / (1 - best)))
    slopes = []
    for loss in (
        lambda logit: task_loss(task, logit.expand(1, 1, 2, 5), labels),
        lambda logit: distillation_loss(task, logit.expand(1, 1, 2, 5), teacher, 1.0),
    ):
        logit = torch.tensor(0.3, requires_grad=True)
        loss(logit).backward()
        slopes.append(float(logit.grad))  # type: ignore[arg-type]
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-4)


def test_normals_are_compared_as_directions() -> None:
    task = Task(name="normals", kind="normals", num_outputs=3)
    teacher = torch.randn(2, 3, 4, 5)
    assert float(distillation_loss(task, 7 * teacher, teacher, 2.0)) == pytest.approx(0.0, abs=1e-6)


def test_depth_is_an_error_in_meters() -> None:
    task = Task(name="depth", kind="depth", num_outputs=1)
    teacher = torch.rand(2, 1, 4, 5)
    assert float(distillation_loss(task, teacher + 0.25, teacher, 2.0)) == pytest.approx(0.25)
