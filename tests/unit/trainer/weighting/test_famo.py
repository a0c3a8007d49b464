"""FAMO: the weights of one step, and what the next one learns from it."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from gatefront.trainer.data import Batch
from gatefront.trainer.weighting.famo import FamoWeighting
from gatefront.trainer.weighting.weighting import TrainingStep

BATCH = Batch(torch.zeros(1, 1), {})


class Two(nn.Module):
    """Two losses that are parameters themselves, and a buffer that counts forward passes."""

    def __init__(self, first: float, second: float) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor([first, second]))
        self.register_buffer("seen", torch.zeros(()))

    def losses(self, _batch: Batch = BATCH, tensors: Mapping[str, Tensor] | None = None) -> tuple[Tensor, ...]:
        seen = self.seen if tensors is None else tensors["seen"]
        seen += 1  # type: ignore[operator]
        return tuple((self.values * 1).unbind())


def step_of(network: Two) -> TrainingStep:
    return TrainingStep(
        losses=network.losses(), batch=BATCH, learning_rate=0.1, losses_of=network.losses, other_batch=lambda: BATCH
    )


def test_first_step_weighs_by_inverse_losses() -> None:
    network = Two(0.5, 2.0)
    FamoWeighting(network, 2).backward(step_of(network))
    normalizer = 0.5 / 0.5 + 0.5 / 2.0
    assert network.values.grad is not None
    assert network.values.grad.tolist() == pytest.approx([2 * 0.5 / 0.5 / normalizer, 2 * 0.5 / 2.0 / normalizer])


def test_logits_fall_for_the_task_that_gained_most() -> None:
    network = Two(1.0, 1.0)
    weighting = FamoWeighting(network, 2)
    weighting.backward(step_of(network))
    network.values.data = torch.tensor([0.5, 0.9])
    weighting.end_epoch()
    # Adam's first step is its rate, against the gradient z (delta - z . delta) of both logits.
    assert math.log(1 / 0.5) > math.log(1 / 0.9)
    assert weighting.logits.tolist() == pytest.approx([-0.025, 0.025], rel=1e-3)
    assert int(network.seen) == 1  # what looked back left no trace
    weighting.end_epoch()
    assert weighting.logits.tolist() == pytest.approx([-0.025, 0.025], rel=1e-3)


def test_task_without_labels_takes_no_weight() -> None:
    network = Two(0.5, 0.0)
    FamoWeighting(network, 2).backward(step_of(network))
    assert network.values.grad is not None
    first, second = network.values.grad.tolist()
    assert (first, second) == (pytest.approx(1.0), 0.0)


def test_nothing_of_it_is_learned_by_the_networks_optimizer() -> None:
    assert list(FamoWeighting(Two(1.0, 1.0), 2).parameters()) == []
