"""Trainings that go on until more does not help: each length once, the better one kept, every cost counted."""

import dataclasses
from pathlib import Path

import pytest

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.trainer.baselines import training_length
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.baselines.training_length import doubled_lengths, train_long_enough
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import MultiTaskData
from gatefront.trainer.loop.best_epoch import TOLERANCE
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.reporting import ReferenceResult

CONFIG = TrainConfig(epochs=2, batch_size=32, learning_rate=1e-2, device="cpu")


@pytest.fixture
def architecture(digits: MultiTaskData) -> Architecture:
    return Architecture(
        backbone="smallconv", tasks=digits.description.tasks, in_channels=1, input_size=(12, 14), stem="small"
    )


class Recorded:
    """Stands in for `train_reference` with the accuracy of each length; a negative one diverges."""

    def __init__(self, accuracy_of: dict[int, float]) -> None:
        self._accuracy_of = accuracy_of
        self.trained: list[int] = []

    def __call__(self, *arguments: object, **_: object) -> ReferenceResult:
        config = arguments[-1]
        assert isinstance(config, TrainConfig)
        self.trained.append(config.epochs)
        accuracy = self._accuracy_of[config.epochs]
        if accuracy < 0:
            raise DivergedError("the loss of left is nan.")
        return ReferenceResult(
            kind="single_task",
            key=f"of {config.epochs}",
            tasks=("left",),
            metrics={"left": accuracy},
            flops=7,
            num_parameters=1,
            seconds=10.0 * config.epochs,
            train_flops=100.0 * config.epochs,
            path="",
            from_cache=config.epochs == CONFIG.epochs,
            epochs=config.epochs,
            lengths=(config.epochs,),
        )


def lengths_tried(
    accuracies: list[float], architecture: Architecture, digits: MultiTaskData, patch: pytest.MonkeyPatch
) -> tuple[list[int], ReferenceResult]:
    recorded = Recorded(dict(zip((2, 4, 8, 16), accuracies, strict=False)))
    patch.setattr(training_length, "train_reference", recorded)
    result = train_long_enough("single_task", architecture, "left", digits, CONFIG, cache_dir=Path())
    return recorded.trained, result


@pytest.mark.parametrize(
    ("accuracies", "tried", "kept"),
    [
        ([50.0, 40.0], [2, 4], 2),
        ([50.0, 50.0 * (1 + 0.5 * TOLERANCE)], [2, 4], 4),  # the better one, though it is not worth another
        ([50.0, 60.0, 60.0], [2, 4, 8], 4),
        ([50.0, 60.0, 70.0, 80.0], [2, 4, 8, 16], 16),
        ([50.0, 60.0, -1.0], [2, 4, 8], 4),
    ],
)
def test_doubles_until_that_does_not_help(
    accuracies: list[float],
    tried: list[int],
    kept: int,
    architecture: Architecture,
    digits: MultiTaskData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained, result = lengths_tried(accuracies, architecture, digits, monkeypatch)
    assert trained == tried
    assert (result.epochs, result.key) == (kept, f"of {kept}")
    finished = [length for length, accuracy in zip(tried, accuracies, strict=True) if accuracy > 0]
    assert result.lengths == tuple(finished)
    assert (result.train_flops, result.seconds) == (100.0 * sum(finished), 10.0 * sum(finished))
    assert not result.from_cache


def test_first_length_that_diverges_is_an_error(
    architecture: Architecture, digits: MultiTaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DivergedError):
        lengths_tried([-1.0], architecture, digits, monkeypatch)


def test_lengths_double_at_most_three_times() -> None:
    assert doubled_lengths(5) == (5, 10, 20, 40)


def test_every_length_is_a_cached_reference_of_its_own(
    architecture: Architecture, digits: MultiTaskData, tmp_path: Path
) -> None:
    result = train_long_enough("single_task", architecture, "left", digits, CONFIG, cache_dir=tmp_path)
    alone = [
        train_reference(
            "single_task", architecture, "left", digits, dataclasses.replace(CONFIG, epochs=length), cache_dir=tmp_path
        )
        for length in result.lengths
    ]
    assert all(one.from_cache for one in alone)
    assert result.metrics["left"] == max(one.metrics["left"] for one in alone)
    assert result.train_flops == sum(one.train_flops for one in alone) == 3 * result.flops * 640 * sum(result.lengths)
    again = train_long_enough("single_task", architecture, "left", digits, CONFIG, cache_dir=tmp_path)
    assert again == dataclasses.replace(result, from_cache=True)
