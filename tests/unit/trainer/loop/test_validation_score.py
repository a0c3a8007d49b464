"""Validation score: a mean of relative gains, whatever the units of the metrics."""

import math

import pytest

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.loop.validation_score import validation_score
from gatefront.trainer.metrics.delta_mtl import delta_mtl

CLASSES = Task(name="classes", kind="classification", num_outputs=10)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)
BOTH = (CLASSES, DEPTH)


def test_is_the_mean_of_signed_logarithms() -> None:
    assert validation_score(BOTH, {"classes": 80.0, "depth": 0.5}) == pytest.approx(
        (math.log(80.0) - math.log(0.5)) / 2
    )


def test_higher_accuracy_and_lower_error_are_better() -> None:
    before = validation_score(BOTH, {"classes": 80.0, "depth": 0.5})
    assert validation_score(BOTH, {"classes": 81.0, "depth": 0.5}) > before
    assert validation_score(BOTH, {"classes": 80.0, "depth": 0.49}) > before


def test_differences_have_no_unit_and_agree_with_delta_mtl() -> None:
    first, second = {"classes": 80.0, "depth": 0.5}, {"classes": 80.4, "depth": 0.498}
    difference = validation_score(BOTH, second) - validation_score(BOTH, first)
    in_centimeters = [{**metrics, "depth": 100 * metrics["depth"]} for metrics in (first, second)]
    scores = [validation_score(BOTH, metrics) for metrics in in_centimeters]
    assert scores[1] - scores[0] == pytest.approx(difference)
    assert 100 * difference == pytest.approx(delta_mtl(BOTH, second, first).mean, rel=0.01)


def test_exists_where_a_task_has_learned_nothing() -> None:
    nothing = validation_score(BOTH, {"classes": 0.0, "depth": 0.5})
    assert math.isfinite(nothing)
    assert nothing < validation_score(BOTH, {"classes": 1.0, "depth": 0.5})
