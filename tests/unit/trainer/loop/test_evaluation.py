"""Evaluation: the same whatever the batch size, in evaluation mode, and honest about divergence."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import MultiTaskData
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


def test_batch_size_does_not_matter(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    network = build_tiny(tasks)
    whole = evaluate(network, digits.val, tasks, runtime=CPU, batch_size=200)
    assert evaluate(network, digits.val, tasks, runtime=CPU, batch_size=7) == pytest.approx(whole)
    assert evaluate(InOrder(network), digits.val, tasks, runtime=CPU, batch_size=64) == pytest.approx(whole)


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
