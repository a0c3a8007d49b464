"""Metrics: pooled over the set, blind to gaps and to how the set was cut into batches."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.data import IGNORE_INDEX
from gatefront.trainer.metrics import METRICS, MetricError, NoValidLabelError, metric_for

Draw = Callable[[Task, int], tuple[Tensor, Tensor]]


def score(task: Task, *batches: tuple[Tensor, Tensor]) -> float:
    metric = metric_for(task)
    for prediction, label in batches:
        metric.update(prediction, label)
    return metric.compute()


def perfect(task: Task, label: Tensor) -> Tensor:
    if task.kind in ("classification", "segmentation"):
        return 50 * torch.nn.functional.one_hot(label, task.num_outputs).movedim(-1, 1).float()
    return 100 * (label - 0.5) if task.kind in ("edges", "saliency", "multilabel") else label


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
        ("multilabel", "mean accuracy %"),
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


def test_max_f_is_of_mean_precision_and_mean_recall() -> None:
    task = Task(name="a", kind="saliency", num_outputs=1, metric="max_f")
    found = torch.logit(torch.tensor([[0.95, 0.1, 0.1, 0.1], [0.95, 0.95, 0.95, 0.1]])).view(2, 1, 2, 2)
    salient = torch.tensor([[1.0, 1.0, 0.0, torch.nan], [1.0, 0.0, 0.0, 0.0]]).view(2, 1, 2, 2)
    precision, recall = (1 + 1 / 3) / 2, (1 / 2 + 1) / 2
    assert score(task, (found, salient)) == pytest.approx(100 * 2 * precision * recall / (precision + recall))


def test_rmse_prediction_behind_the_camera_counts_as_zero_depth() -> None:
    """The published protocol clamps for RMSE alone."""
    prediction, label = torch.full((1, 1, 2, 2), -3.0), torch.full((1, 1, 2, 2), 2.0)
    found = {
        name: score(Task(name="depth", kind="depth", num_outputs=1, metric=name), (prediction, label))
        for name in ("rmse", "abs_err", "rel_err")
    }
    assert found == pytest.approx({"rmse": 2.0, "abs_err": 5.0, "rel_err": 250.0})


def test_errors_of_depth_by_hand() -> None:
    label = torch.tensor([1.0, 2.0, torch.nan, 4.0]).view(1, 1, 2, 2)
    prediction = torch.full((1, 1, 2, 2), 3.0)
    absolute = Task(name="a", kind="depth", num_outputs=1, metric="abs_err")
    assert score(absolute, (prediction, label)) == pytest.approx((2 + 1 + 1) / 3)
    relative = Task(name="a", kind="depth", num_outputs=1, metric="rel_err")
    assert score(relative, (prediction, label)) == pytest.approx(100 * (2 + 1 / 2 + 1 / 4) / 3)
    # Infinitely far in disparity: no relative error is defined.
    label[0, 0, 0, 0] = 0
    assert score(relative, (prediction, label)) == pytest.approx(100 * (1 / 2 + 1 / 4) / 2)


def test_shares_and_median_of_angles() -> None:
    degrees = torch.tensor([0.0, 10.0, 20.0, 28.0, 90.0, 50.0])
    label = torch.stack([torch.zeros(6), torch.zeros(6), torch.ones(6)]).view(1, 3, 2, 3)
    label[..., 1, 2] = torch.nan
    radians = torch.deg2rad(degrees)
    prediction = 7 * torch.stack([radians.sin(), torch.zeros(6), radians.cos()]).view(1, 3, 2, 3)
    expected = {"within_11": 40, "within_22": 60, "within_30": 80, "median_angle": 20, "mean_angle": 148 / 5}
    for metric, value in expected.items():
        task = Task(name="a", kind="normals", num_outputs=3, metric=metric)
        assert score(task, (prediction, label)) == pytest.approx(value, abs=0.03)


def test_f1_sees_a_rare_class_that_accuracy_hides() -> None:
    label = torch.tensor([1, 1] + 18 * [0])
    never = torch.tensor([[1.0, 0.0]]).expand(20, 2)
    assert score(Task(name="a", kind="classification", num_outputs=2), (never, label)) == pytest.approx(90)
    task = Task(name="a", kind="classification", num_outputs=2, metric="f1")
    assert score(task, (never, label)) == 0
    twice = torch.nn.functional.one_hot(torch.tensor([1, 0, 1] + 17 * [0])).float()
    assert score(task, (twice, label)) == pytest.approx(50)
    with pytest.raises(MetricError, match="two classes, it has 3"):
        metric_for(Task(name="a", kind="classification", num_outputs=3, metric="f1"))


def test_attributes_are_scored_one_by_one() -> None:
    label = torch.tensor([[1.0, 0.0, torch.nan], [0.0, 0.0, torch.nan], [1.0, torch.nan, torch.nan]])
    logits = torch.tensor([[2.0, 2.0, 2.0], [-2.0, -2.0, 2.0], [-2.0, -2.0, 2.0]])
    accuracy = Task(name="a", kind="multilabel", num_outputs=3)
    assert score(accuracy, (logits, label)) == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    f1 = Task(name="a", kind="multilabel", num_outputs=3, metric="f1")
    assert score(f1, (logits, label)) == pytest.approx(100 * (2 / 3 + 0) / 2)


def test_the_survey_counts_absent_classes() -> None:
    label = torch.tensor([0, 0, 1, 1]).view(1, 2, 2)
    logits = torch.nn.functional.one_hot(label, 4).movedim(-1, 1).float()
    assert score(Task(name="a", kind="segmentation", num_outputs=4), (logits, label)) == pytest.approx(100)
    survey = Task(name="a", kind="segmentation", num_outputs=4, metric="miou_all_classes")
    assert score(survey, (logits, label)) == pytest.approx(50)
    pixels = Task(name="a", kind="segmentation", num_outputs=4, metric="pixel_accuracy")
    assert score(pixels, (logits.roll(1, dims=-2), label)) == pytest.approx(0)
    assert score(pixels, (logits.roll(1, dims=-1), label)) == pytest.approx(100)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in METRICS.items() for name in names])
def test_every_metric_pools_and_is_blind_to_gaps(kind: TaskKind, name: str, draw: Draw) -> None:
    outputs = {"normals": 3, "segmentation": 3, "classification": 2, "multilabel": 4}.get(kind, 1)
    task = Task(name="a", kind=kind, num_outputs=outputs, metric=name)
    prediction, label = draw(task, 12)
    whole = score(task, (prediction, label))
    parts = zip(prediction.split([1, 4, 7]), label.split([1, 4, 7]), strict=True)
    gaps = (torch.randn_like(prediction), missing(label))
    assert score(task, *parts, gaps) == pytest.approx(whole, rel=1e-6)
    with pytest.raises(NoValidLabelError):
        score(task, gaps)


def test_metrics_of_other_kinds_are_refused() -> None:
    with pytest.raises(MetricError, match=r"'rmse' does not score segmentation tasks\. Choose one of miou,"):
        metric_for(Task(name="a", kind="segmentation", num_outputs=4, metric="rmse"))
