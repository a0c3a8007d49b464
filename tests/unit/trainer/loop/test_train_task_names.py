"""Task names in what training writes: losses by name, and files of arrays."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Task
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import DataDescription, DataError, MultiTaskData, Sample
from gatefront.trainer.data.cache.array_cache import load_generated
from gatefront.trainer.data.loader import num_samples
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.train import train
from gatefront.trainer.reporting import EpochReport

NAMES = ("type", "a/b", "名前", "two words")


def _description(names: Sequence[str]) -> DataDescription:
    return DataDescription(
        tasks=tuple(Task(name=name, kind="classification", num_outputs=3) for name in names),
        in_channels=1,
        input_size=(4, 4),
        mean=(0.0,),
        std=(1.0,),
        num_train=6,
        num_val=6,
    )


def _render(names: Sequence[str]) -> dict[str, np.ndarray]:
    labels = {name: np.arange(6, dtype=np.int64) % 3 + 10 * position for position, name in enumerate(names)}
    return {"image": np.zeros((6, 1, 4, 4), np.uint8), **labels}


def test_generated_arrays_of_awkward_names_are_read_back(tmp_path: Path) -> None:
    data = load_generated(
        "mine", {"version": 1}, _description(NAMES), render=lambda _: _render(NAMES), cache_dir=tmp_path
    )
    labels = data.train[5].labels
    assert {name: int(label) for name, label in labels.items()} == {"type": 2, "a/b": 12, "名前": 22, "two words": 32}
    (folder,) = (tmp_path / "data").iterdir()
    assert {path.name for path in folder.glob("train-*")} == {
        "train-image.npy", "train-type.npy", "train-task_1.npy", "train-task_2.npy", "train-task_3.npy"
    }  # fmt: skip


def test_generated_arrays_with_a_task_called_as_the_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a task is called 'image'"):
        load_generated("mine", {}, _description(["Image"]), render=lambda _: _render(["Image"]), cache_dir=tmp_path)


@pytest.mark.parametrize(("one", "other"), [("depth", "Depth"), ("café", "cafe\u0301")])
def test_description_with_names_that_look_alike_is_refused(one: str, other: str) -> None:
    with pytest.raises(DataError, match="Cannot use these data: task names must differ in more than case"):
        _description([one, other])


def test_loss_of_a_task_called_as_another_term_is_kept(
    digits: MultiTaskData, build_tiny: Callable[[Sequence[Task]], nn.Module]
) -> None:
    (first, *_) = digits.description.tasks
    task = dataclasses.replace(first, name="sparsity")

    class Renamed(torch.utils.data.Dataset[Sample]):
        def __init__(self, split: torch.utils.data.Dataset[Sample]) -> None:
            self._split = split

        def __len__(self) -> int:
            return num_samples(self._split)

        def __getitem__(self, index: int) -> Sample:
            sample = self._split[index]
            return Sample(sample.image, {"sparsity": sample.labels[first.name]})

    description = dataclasses.replace(digits.description, tasks=(task,))
    data = dataclasses.replace(digits, description=description, train=Renamed(digits.train), val=Renamed(digits.val))
    reports: list[EpochReport] = []

    def extra(_progress: float, _losses: Sequence[Tensor]) -> dict[str, Tensor]:
        return {"sparsity": torch.tensor(-7.0)}

    config = TrainConfig(epochs=1, batch_size=16)
    train(build_tiny([task]), data, config, tasks=[task], strategy=Strategy(extra_loss=extra), reporter=reports.append)
    assert reports[0].losses["sparsity"] > 0
    assert reports[0].losses["sparsity (term)"] == -7
