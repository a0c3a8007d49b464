"""Weighting: what the training loop asks of every method, and what it hands over at each step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gatefront.trainer.data.dataset import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """One step as a weighting sees it.

    ``losses`` are the unweighted task losses of ``batch``: one scalar per task with a graph of its own, so that a
    task's own parameters can be told from shared ones. ``learning_rate`` is the present one of the network's weights.
    ``losses_of`` computes the losses of a batch with other parameters and buffers than the network's, by name;
    ``other_batch`` draws a batch from another shuffling of the training split.
    """

    losses: tuple[Tensor, ...]
    batch: Batch
    learning_rate: float
    losses_of: Callable[[Batch, Mapping[str, Tensor]], tuple[Tensor, ...]]
    other_batch: Callable[[], Batch]

    @property
    def values(self) -> Tensor:
        """The losses as one tensor ``[tasks]``."""
        return torch.stack(self.losses)


class Weighting(nn.Module, ABC):
    """Turns task losses into gradients. What it learns itself are its parameters, what it remembers its state."""

    @abstractmethod
    def backward(self, step: TrainingStep) -> None:
        """Add to the ``grad`` of every parameter that learns."""

    def end_epoch(self) -> None:  # most methods have nothing to do here
        """Told after the last step of each epoch."""
