"""Distillation in the loop: the right outputs beside each sample, mixed as asked."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import Batch, MultiTaskData
from gatefront.trainer.loop.distillation import Distillation
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.teachers import NetworkTeachers
from gatefront.trainer.loop.train import train
from gatefront.trainer.losses import distillation_loss, task_loss
from gatefront.trainer.reporting import EpochReport

Build = Callable[[Sequence[Task]], nn.Module]
CONFIG = TrainConfig(epochs=1, batch_size=32, device="cpu")


class Spy:
    """Teachers that know nothing, and remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Tensor, list[int]]] = []

    def add_outputs(self, batch: Batch, indices: Sequence[int]) -> Batch:
        self.asked.append((batch.images, list(indices)))
        return dataclasses.replace(batch, teacher_outputs={"left": torch.zeros(len(batch), 10)})

    def running_cost(self, num_samples: int) -> float:
        return 0.0


@pytest.mark.parametrize("num_loader_workers", [0, 1])
def test_outputs_are_those_of_the_samples(digits: MultiTaskData, build_tiny: Build, num_loader_workers: int) -> None:
    spy, tasks = Spy(), digits.description.tasks
    config = dataclasses.replace(CONFIG, num_loader_workers=num_loader_workers)
    strategy = Strategy(distillation=Distillation(teachers=spy, weight=0.5, temperature=2.0))
    train(build_tiny(tasks), digits, config, tasks=tasks, strategy=strategy)
    assert len(spy.asked) == 20
    for images, indices in spy.asked:
        torch.testing.assert_close(images, torch.stack([digits.train[index].image for index in indices]))


def test_mix_is_of_both_losses() -> None:
    task = Task(name="left", kind="classification", num_outputs=10)
    prediction, outputs, labels = torch.randn(6, 10), torch.randn(6, 10), torch.randint(10, (6,))
    distillation = Distillation(teachers=Spy(), weight=0.3, temperature=2.0)
    label_loss = task_loss(task, prediction, labels)
    expected = 0.7 * label_loss + 0.3 * 0.5 * distillation_loss(task, prediction, outputs, 2.0)
    torch.testing.assert_close(distillation.mix(task, label_loss, prediction, outputs, 0.5), expected)


def test_teacher_alone_teaches_without_any_label(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    """A student that sees no label comes to answer as its teacher does; without the teacher it does not."""
    tasks = digits.description.tasks
    teacher = build_tiny(tasks)
    train(teacher, digits, dataclasses.replace(CONFIG, epochs=12, learning_rate=1e-2), tasks=tasks)
    runtime = resolve_runtime(CONFIG)
    teachers = NetworkTeachers({"orientation": teacher}, digits, runtime, folder=tmp_path / "t", batch_size=50)
    config = dataclasses.replace(CONFIG, epochs=12, learning_rate=1e-2)
    accuracies = []
    for weight in (1.0, 0.0):
        strategy = Strategy(distillation=Distillation(teachers=teachers, weight=weight, temperature=2.0))
        blind = dataclasses.replace(digits, train=Unlabelled(digits))
        reports: list[EpochReport] = []
        train(build_tiny(tasks), blind, config, tasks=tasks, strategy=strategy, reporter=reports.append)
        accuracies.append(reports[-1].metrics["orientation"])
    assert accuracies[0] > 40 > accuracies[1]


class Unlabelled(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """The training split without labels."""

    def __init__(self, data: MultiTaskData) -> None:
        self._split = data.train

    def __len__(self) -> int:
        return 640

    def __getitem__(self, index: int) -> object:
        return dataclasses.replace(self._split[index], labels={})


class Linears(nn.Module):
    """One linear layer per task, with the same weights whenever it is built."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        torch.manual_seed(11)
        self.heads = nn.ModuleDict({task.name: nn.Linear(12 * 14, task.num_outputs) for task in tasks})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return {name: head(features) for name, head in self.heads.items()}


def test_parts_of_a_batch_add_up(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    tasks, losses = digits.description.tasks, []
    networks = {task.name: build_tiny(tasks) for task in tasks}
    teachers = NetworkTeachers(networks, digits, resolve_runtime(CONFIG), folder=tmp_path / "t", batch_size=50)
    for size in (None, 8):
        reports: list[EpochReport] = []
        strategy = Strategy(distillation=Distillation(teachers=teachers, weight=0.5, temperature=2.0))
        config = dataclasses.replace(CONFIG, micro_batch_size=size)
        # Norms and dropout see parts, and would differ.
        network = nn.Sequential(nn.Flatten(), Linears(tasks))
        train(network, digits, config, tasks=tasks, strategy=strategy, reporter=reports.append)
        losses.append(dict(reports[0].losses))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
