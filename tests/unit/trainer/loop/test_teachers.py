"""Teachers: the same outputs whether kept or computed anew, once for all trainings, and what they cost."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.graph.flop_counter import count_flops
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import MultiTaskData, Sample
from gatefront.trainer.data.loader import collate
from gatefront.trainer.loop import teachers as module
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.teachers import NetworkTeachers

Build = Callable[[Sequence[Task]], nn.Module]
CPU = resolve_runtime(TrainConfig(epochs=1, batch_size=1, device="cpu"))
INDICES = [5, 600, 17]


class Changing(Dataset[Sample]):
    """A split that may show its samples differently in each epoch."""

    def __init__(self, split: Dataset[Sample]) -> None:
        self._split = split

    def __len__(self) -> int:
        return len(self._split)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        return self._split[index]

    def at_epoch(self, key: int, tasks: Sequence[Task] | None = None) -> Dataset[Sample]:
        return self


def outputs_for(data: MultiTaskData, network: nn.Module, folder: Path) -> tuple[NetworkTeachers, torch.Tensor]:
    teachers = NetworkTeachers({"left": network}, data, CPU, folder=folder, batch_size=64)
    batch = collate([data.train[index] for index in INDICES], data.description.tasks)
    found = teachers.add_outputs(batch, INDICES)
    assert found.images is batch.images
    assert found.teacher_outputs.keys() == {"left"}
    return teachers, found.teacher_outputs["left"]


def test_kept_outputs_are_those_of_the_network(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    network = build_tiny(digits.description.tasks).eval()
    teachers, found = outputs_for(digits, network, tmp_path / "kept")
    images = torch.stack([digits.train[index].image for index in INDICES])
    with torch.no_grad():
        torch.testing.assert_close(found, network(images)["left"])
    assert teachers.first_cost == 640 * count_flops(network, (1, 12, 14))
    assert teachers.running_cost(1000) == 0


def test_kept_outputs_are_computed_once(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    network = build_tiny(digits.description.tasks)
    _, first = outputs_for(digits, network, tmp_path / "kept")
    with torch.no_grad():
        network.get_submodule("heads.left").weight.zero_()  # type: ignore[union-attr,operator]
    _, again = outputs_for(digits, network, tmp_path / "kept")
    assert torch.equal(first, again)
    (file,) = (tmp_path / "kept").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    _, mended = outputs_for(digits, network, tmp_path / "kept")
    assert not torch.equal(first, mended)


@pytest.mark.parametrize("reason", ["augmented", "large"])
def test_outputs_that_cannot_be_kept_are_computed_for_the_batch(
    digits: MultiTaskData, build_tiny: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    network = build_tiny(digits.description.tasks)
    _, kept = outputs_for(digits, network, tmp_path / "kept")
    data = digits
    if reason == "augmented":
        data = dataclasses.replace(digits, train=Changing(digits.train))
    else:
        monkeypatch.setattr(module, "MOST_KEPT_BYTES", 4 * 640 * 10 - 1)
    teachers, found = outputs_for(data, network, tmp_path / "none")
    torch.testing.assert_close(found, kept)
    assert not (tmp_path / "none").exists()
    assert teachers.first_cost == 0
    assert teachers.running_cost(1000) == 1000 * count_flops(network, (1, 12, 14))
