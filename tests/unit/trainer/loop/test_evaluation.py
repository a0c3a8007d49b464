"""Evaluation: the same whatever the batch size, in evaluation mode, and honest about divergence."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import MultiTaskData, Sample
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.loop.runtime import resolve_runtime

CPU = resolve_runtime(TrainConfig(epochs=1, batch_size=1, device="cpu"))
Build = Callable[[Sequence[Task]], nn.Module]


class InOrder(nn.Module):
    """Answers as a tuple in task order, as pruned networks do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(images).values())


class WithoutLabels(Dataset[Sample]):
    """A split in which every so many samples lack the label of one task."""

    def __init__(self, split: Dataset[Sample], *, task: str, every: int) -> None:
        self._split, self._task, self._every = split, task, every

    def __len__(self) -> int:
        return len(self._split)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        sample = self._split[index]
        gone = self._task if index % self._every == 0 else None
        return Sample(sample.image, {name: label for name, label in sample.labels.items() if name != gone})


def test_batch_size_does_not_matter(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    network = build_tiny(tasks)
    whole = evaluate(network, digits.val, tasks, runtime=CPU, batch_size=200)
    for other in (
        evaluate(network, digits.val, tasks, runtime=CPU, batch_size=7),
        evaluate(InOrder(network), digits.val, tasks, runtime=CPU, batch_size=64),
    ):
        assert other.metrics == pytest.approx(whole.metrics)
        assert other.losses == pytest.approx(whole.losses)


def test_losses_are_means_over_the_labels_that_exist(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    network = build_tiny(tasks).eval()
    found = evaluate(network, WithoutLabels(digits.val, task="left", every=3), tasks, runtime=CPU, batch_size=7)
    images = torch.stack([digits.val[index].image for index in range(200)])
    labels = torch.stack([digits.val[index].labels["left"] for index in range(200)])
    kept = torch.arange(200) % 3 != 0
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(network(images)["left"][kept], labels[kept])
    assert found.losses["left"] == pytest.approx(float(expected))


def test_network_keeps_its_mode_and_statistics(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    network = build_tiny(tasks).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    evaluate(network, digits.val, tasks, runtime=CPU, batch_size=64)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_diverged_classifier_is_not_scored(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    network = build_tiny(tasks)
    with torch.no_grad():
        network.get_submodule("heads.right").weight.fill_(torch.nan)  # type: ignore[union-attr,operator]
    with pytest.raises(DivergedError, match="task right"):
        evaluate(network, digits.val, tasks, runtime=CPU, batch_size=64)
