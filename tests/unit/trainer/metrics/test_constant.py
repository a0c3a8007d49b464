"""The metric of the best constant prediction, against values worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.data import IGNORE_INDEX
from gatefront.trainer.metrics import METRICS, NoValidLabelError, beats_constant, constant_metric, metric_for

NAN = math.nan


def constant(kind: TaskKind, metric: str, label: Tensor, num_outputs: int = 1) -> float:
    task = Task(name="t", kind=kind, num_outputs=num_outputs, metric=metric)
    return constant_metric(task, lambda: label.split(2))


def test_constant_metric_of_classes_is_that_of_the_most_frequent_one() -> None:
    label = torch.tensor([0, 2, 2, 2, 1, IGNORE_INDEX])
    assert constant("classification", "accuracy", label, 3) == pytest.approx(60.0)


def test_constant_metric_of_f1_is_that_of_always_yes() -> None:
    label = torch.tensor([0, 0, 0, 1])
    assert constant("classification", "f1", label, 2) == pytest.approx(100 * 2 * 1 / (2 * 1 + 3))


def test_constant_metric_of_segmentation_by_hand() -> None:
    label = torch.tensor([[[0, 1], [1, 1]], [[1, 2], [IGNORE_INDEX, 1]]])  # 1, 5 and 1 pixels of 7
    assert constant("segmentation", "miou", label, 4) == pytest.approx(100 * (5 / 7) / 3)
    assert constant("segmentation", "miou_all_classes", label, 4) == pytest.approx(100 * (5 / 7) / 4)
    assert constant("segmentation", "pixel_accuracy", label, 4) == pytest.approx(100 * 5 / 7)


def test_constant_metric_of_attributes_by_hand() -> None:
    label = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [NAN, 0.0]])
    assert constant("multilabel", "accuracy", label, 2) == pytest.approx(100 * (2 / 3 + 3 / 4) / 2)
    assert constant("multilabel", "f1", label, 2) == pytest.approx(100 * (4 / 5 + 2 / 5) / 2)


def test_constant_metric_of_depth_by_hand() -> None:
    label = torch.tensor([1.0, 1.0, 1.0, 2.0, 5.0, NAN]).view(3, 1, 1, 2)
    # The mean 2 for the squares; the median 1 for the others.
    assert constant("depth", "rmse", label) == pytest.approx(math.sqrt((3 * 1 + 0 + 9) / 5))
    assert constant("depth", "abs_err", label) == pytest.approx((0 + 1 + 4) / 5)
    assert constant("depth", "rel_err", label) == pytest.approx(100 * (1 / 2 + 4 / 5) / 5)


def test_constant_metric_of_normals_is_that_of_the_mean_direction() -> None:
    label = torch.zeros(2, 3, 1, 2)
    label[0, 0], label[1, 1] = 1.0, 1.0  # two pixels to the right, two up: the mean lies 45 degrees from both
    assert constant("normals", "mean_angle", label, 3) == pytest.approx(45.0, abs=1e-3)
    assert constant("normals", "within_30", label, 3) == 0.0


def test_constant_metric_of_edges_is_that_of_their_share() -> None:
    label = torch.zeros(1, 1, 10, 10)
    label[..., 0, :] = 1.0
    label[..., 9, :] = NAN
    share = 10 / 90
    positive, negative = 0.95 * share, 0.05 * (1 - share)
    probability = positive / (positive + negative)
    expected = -(positive * math.log(probability) + negative * math.log(1 - probability))
    assert constant("edges", "balanced_bce", label) == pytest.approx(expected, rel=1e-5)


def test_constant_metric_of_saliency_is_all_or_nothing() -> None:
    label = torch.zeros(2, 1, 2, 2)
    label[0, 0, 0] = 1.0
    # All: (1/2 + 0) / 2. Nothing: (0 + 1) / 2.
    assert constant("saliency", "max_iou", label) == pytest.approx(50.0)


@pytest.mark.parametrize(("kind", "metric"), [(kind, metric) for kind, found in METRICS.items() for metric in found])
def test_constant_metric_every_metric_is_beaten_by_perfect_predictions(kind: TaskKind, metric: str) -> None:
    generator = torch.Generator().manual_seed(0)
    size = (4, 1, 24, 32)
    binary = (torch.rand(size, generator=generator) > 0.9).float()
    normals = torch.nn.functional.normalize(torch.randn(4, 3, 8, 8, generator=generator), dim=1)
    classes = torch.tensor([0, 1, 1, 0])
    cases: dict[str, tuple[int, Tensor, Tensor]] = {
        "classification": (2, classes, 9.0 * torch.nn.functional.one_hot(classes, 2).float()),
        "segmentation": (2, binary[:, 0].long(), 9.0 * torch.cat([1 - binary, binary], dim=1)),
        "multilabel": (4, torch.eye(4), 2 * torch.eye(4) - 1),
        "depth": (1, 1 + binary, 1 + binary),
        "normals": (3, normals, normals),
        "edges": (1, binary, 18 * binary - 9),
        "saliency": (1, binary, 18 * binary - 9),
    }
    num_outputs, label, perfect = cases[kind]
    task = Task(name="t", kind=kind, num_outputs=num_outputs, metric=metric)
    scored = metric_for(task)
    scored.update(perfect, label)
    fixed = constant(kind, metric, label, num_outputs)
    assert math.isfinite(fixed)
    assert beats_constant(scored.compute(), fixed, higher_is_better=scored.higher_is_better)
    assert not beats_constant(fixed, fixed, higher_is_better=scored.higher_is_better)


@pytest.mark.parametrize("kind", list(METRICS))
def test_constant_metric_without_any_label_is_refused(kind: TaskKind) -> None:
    shapes = {"classification": (2,), "segmentation": (2, 4, 4), "multilabel": (2, 3), "normals": (2, 3, 4, 4)}
    num_outputs = 1 if kind in ("depth", "edges", "saliency") else 3
    counted = kind in ("classification", "segmentation")
    label = torch.full(shapes.get(kind, (2, 1, 4, 4)), IGNORE_INDEX if counted else NAN)
    with pytest.raises(NoValidLabelError):
        constant(kind, next(iter(METRICS[kind])), label.long() if counted else label, num_outputs)


@pytest.mark.parametrize(
    ("value", "higher_is_better", "expected"),
    [(0.41, True, False), (2.3, True, False), (2.4, True, True), (2.4, False, False), (2.2, False, True)],
)
def test_beats_constant_follows_the_direction(value: float, higher_is_better: bool, expected: bool) -> None:
    assert beats_constant(value, 2.3, higher_is_better=higher_is_better) == expected
