"""Metrics: pooled over the set, blind to gaps and to how the set was cut into batches."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spaces.tasks import Task, TaskKind
from trainer.data import IGNORE_INDEX
from trainer.metrics import NoValidLabelError, metric_for

Draw = Callable[[Task, int], tuple[Tensor, Tensor]]


def score(task: Task, *batches: tuple[Tensor, Tensor]) -> float:
    metric = metric_for(task)
    for prediction, label in batches:
        metric.update(prediction, label)
    return metric.compute()


def perfect(task: Task, label: Tensor) -> Tensor:
    if task.kind in ("classification", "segmentation"):
        return 50 * torch.nn.functional.one_hot(label, task.num_outputs).movedim(-1, 1).float()
    return 100 * (label - 0.5) if task.kind in ("edges", "saliency") else label


def missing(label: Tensor) -> Tensor:
    return torch.full_like(label, torch.nan if label.is_floating_point() else IGNORE_INDEX)


def test_batches_do_not_matter(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 12)
    whole = score(task, (prediction, label))
    parts = score(task, *zip(prediction.split([1, 4, 7]), label.split([1, 4, 7]), strict=True))
    assert parts == pytest.approx(whole, rel=1e-6)


def test_gaps_do_not_count(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 5)
    gaps = (torch.randn_like(prediction), missing(label))
    assert score(task, (prediction, label), gaps) == pytest.approx(score(task, (prediction, label)), rel=1e-6)


def test_no_label_at_all_is_refused(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 5)
    with pytest.raises(NoValidLabelError, match="task a_task: the split has no valid label"):
        score(task, (prediction, missing(label)))
    with pytest.raises(NoValidLabelError, match="a_task"):
        score(task)


def test_perfect_predictions_are_best(task: Task, draw: Draw) -> None:
    prediction, label = draw(task, 40)
    best = score(task, (perfect(task, label), label))
    expected = 100.0 if metric_for(task).higher_is_better else 0.0
    assert best == pytest.approx(expected, abs=0.05)
    worse = score(task, (prediction, label))
    assert (worse < best) == metric_for(task).higher_is_better


def test_diverged_regressions_stay_visible() -> None:
    for kind, outputs in (("depth", 1), ("normals", 3), ("edges", 1)):
        task = Task(name="a", kind=kind, num_outputs=outputs)  # type: ignore[arg-type]
        value = score(task, (torch.full((1, outputs, 2, 2), torch.nan), torch.ones(1, outputs, 2, 2)))
        assert value != value


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("classification", "accuracy %"),
        ("segmentation", "mIoU %"),
        ("depth", "RMSE m"),
        ("normals", "mean angle deg"),
        ("edges", "balanced BCE"),
        ("saliency", "max mIoU %"),
    ],
)
def test_labels_name_metric_and_unit(kind: TaskKind, label: str) -> None:
    outputs = 3 if kind == "normals" else 1
    assert metric_for(Task(name="a", kind=kind, num_outputs=outputs)).label == label


def test_rmse_is_pooled_not_averaged() -> None:
    task = Task(name="a", kind="depth", num_outputs=1)
    one = (torch.full((1, 1, 1, 1), 1.0), torch.full((1, 1, 1, 1), 4.0))
    many = (torch.full((1, 1, 1, 3), 1.0), torch.full((1, 1, 1, 3), 1.0))
    assert score(task, one, many) == pytest.approx((9 / 4) ** 0.5)


def test_mean_angle_of_a_right_angle() -> None:
    task = Task(name="a", kind="normals", num_outputs=3)
    x, y = torch.tensor([3.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([0, 1.0, 0]).view(1, 3, 1, 1)
    assert score(task, (x, y), (y, y)) == pytest.approx(45)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=60))
def test_mean_iou_against_sets(pixels: list[tuple[int, int]]) -> None:
    task = Task(name="a", kind="segmentation", num_outputs=4)
    predicted = torch.tensor([pixel[0] for pixel in pixels])
    label = torch.tensor([pixel[1] for pixel in pixels])
    label[label < 0] = IGNORE_INDEX
    logits = torch.nn.functional.one_hot(predicted, 4).float().T.view(1, 4, 1, -1)
    ious = []
    for category in range(4):
        found = {i for i, (p, t) in enumerate(pixels) if p == category and t >= 0}
        true = {i for i, (_p, t) in enumerate(pixels) if t == category}
        if found | true:
            ious.append(len(found & true) / len(found | true))
    if ious:
        assert score(task, (logits, label.view(1, 1, -1))) == pytest.approx(100 * sum(ious) / len(ious))
    else:
        with pytest.raises(NoValidLabelError):
            score(task, (logits, label.view(1, 1, -1)))


def test_saliency_is_scored_per_image_at_the_best_threshold() -> None:
    task = Task(name="a", kind="saliency", num_outputs=1)
    on = torch.logit(torch.tensor([0.95, 0.5, 0.1, 0.1]))  # from thresholds of 0.5 on, one pixel is found
    label = torch.tensor([1.0, 0.0, 0.0, torch.nan])
    nothing = torch.full((4,), -9.0), torch.zeros(4)
    images = torch.stack([on, nothing[0]]).view(2, 1, 2, 2), torch.stack([label, nothing[1]]).view(2, 1, 2, 2)
    assert score(task, images) == pytest.approx(100)
    low = torch.logit(torch.tensor([0.95, 0.92, 0.1, 0.1]))  # no threshold parts the two
    images = torch.stack([low, nothing[0]]).view(2, 1, 2, 2), images[1]
    assert score(task, images) == pytest.approx(100 * (0.5 + 1) / 2)
