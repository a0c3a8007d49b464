"""odsF against cases written out, and the maps behind it against slow definitions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.metrics import metric_for
from gatefront.trainer.metrics.edge_maps import highest_within, suppress_off_ridges

TASK = Task(name="edges", kind="edges", num_outputs=1, metric="ods_f")
HEIGHT, WIDTH = 96, 128  # 0.0075 of the diagonal is 1.2 pixels: the four neighbours count, the diagonal ones do not
NOTHING = -9.0


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def lines(*columns: tuple[int, float], rows: slice = slice(None)) -> Tensor:
    """Logits ``[1, 1, h, w]`` of vertical lines: column, and its probability."""
    image = torch.full((1, 1, HEIGHT, WIDTH), NOTHING)
    for column, probability in columns:
        image[..., rows, column] = logit(probability)
    return image


def truth(*columns: int) -> Tensor:
    image = torch.zeros(1, 1, HEIGHT, WIDTH)
    image[..., list(columns)] = 1
    return image


def score(*batches: tuple[Tensor, Tensor]) -> float:
    metric = metric_for(TASK)
    for prediction, label in batches:
        metric.update(prediction, label)
    return metric.compute()


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (lines((20, 0.9)), 1.0),
        (lines((21, 0.9)), 1.0),  # a pixel off
        (lines((22, 0.9)), 0.0),
        (lines((20, 0.9), (60, 0.6)), 1.0),  # a threshold leaves the false line out
        (lines((20, 0.6), (60, 0.9)), 2 / 3),  # none does: precision 1/2, recall 1
        (lines((20, 0.9), rows=slice(0, 48)), 2 * 49 / (96 + 49)),  # recall 49/96: the next pixel is near enough
        # All are alike, so all are found: 3 of 128 columns are near the edge.
        (torch.zeros(1, 1, HEIGHT, WIDTH), 2 * 3 / (3 + 128)),
    ],
)
def test_one_line_by_hand(prediction: Tensor, expected: float) -> None:
    assert score((prediction, truth(20))) == pytest.approx(100 * expected)


def test_one_threshold_serves_the_whole_split() -> None:
    faint = (lines((20, 0.3)), truth(20))
    noisy = (lines((20, 0.9), (60, 0.5)), truth(20))
    assert score(faint) == score(noisy) == 100
    # Below 0.3: both edges and the false line, 2/3 and 1. Above 0.5: one edge, 1 and 1/2.
    assert score(faint, noisy) == pytest.approx(100 * 2 * (2 / 3) / (2 / 3 + 1))


def test_pooled_over_pixels_not_over_images() -> None:
    many = (lines((20, 0.9), (40, 0.9), (60, 0.9)), truth(20, 40, 60))
    missed = (lines((100, 0.9)), truth(20))
    assert score(many, missed) == pytest.approx(100 * 3 / 4)


def test_broad_predictions_are_thinned() -> None:
    right = torch.arange(WIDTH).float()
    blurred = (4 - (right - 20).abs()).expand(1, 1, HEIGHT, WIDTH)
    assert score((blurred, truth(20))) == pytest.approx(100)
    assert int((suppress_off_ridges(blurred[:, 0]) > 0).sum()) == HEIGHT


def test_unknown_pixels_change_nothing() -> None:
    label = truth(20, 60)
    label[..., 50:] = torch.nan
    assert score((lines((20, 0.9), (70, 0.9)), label)) == pytest.approx(100)
    # Not even as neighbours of known ones.
    label[..., 21] = torch.nan
    assert score((lines((20, 0.6), (21, 0.9)), label)) == pytest.approx(100)


def test_no_edge_at_all_scores_nothing() -> None:
    assert score((lines((20, 0.9)), truth())) == 0


def test_the_tolerance_grows_with_the_image() -> None:
    shifted = [(20, 0), (22, 480), (26, 480), (29, 480)]
    for column, height in shifted:
        size = (height or HEIGHT, 640 if height else WIDTH)
        label, prediction = torch.zeros(1, 1, *size), torch.full((1, 1, *size), NOTHING)
        label[..., 20], prediction[..., column] = 1, 3.0
        assert score((prediction, label)) == (100 if column <= 26 else 0)  # 6 pixels at 480x640


@given(st.integers(0, 2**31 - 1), st.sampled_from([0.0, 0.9, 1.0, 1.5, 2.9, 5.0]))
def test_the_highest_value_near_by(seed: int, radius: float) -> None:
    values = torch.rand(2, 7, 5, generator=torch.Generator().manual_seed(seed))
    found = highest_within(values, radius)
    for row in range(7):
        for column in range(5):
            near = [
                values[:, r, c]
                for r in range(7)
                for c in range(5)
                if math.hypot(r - row, c - column) <= radius
            ]  # fmt: skip
            assert torch.equal(found[:, row, column], torch.stack(near).amax(dim=0))


@pytest.mark.parametrize("degrees", [0, 30, 45, 75, 90, 120, 150])
def test_ridges_of_any_direction_become_thin_lines(degrees: int) -> None:
    down, right = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    angle = math.radians(degrees)
    distance = (right * math.cos(angle) + down * math.sin(angle)).abs()
    ridge = suppress_off_ridges((6 - distance)[None])[0]
    inner = ridge[4:-4, 4:-4] > -torch.inf
    assert (distance[4:-4, 4:-4][inner] < 1.0).all()
    # As many pixels as the line has, at most two side by side where it steps.
    length = 33 / max(abs(math.cos(angle)), abs(math.sin(angle)))
    assert 33 <= int(inner.sum()) <= 1.5 * length
