"""Weighting: the training loop's interface to every method, and the data of each step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gatefront.trainer.data.dataset import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """Step of a training as a weighting sees it.

    ``losses`` are the unweighted task losses of ``batch``: one scalar per task with its own graph, so that a task's own
    parameters differ from shared ones. ``learning_rate`` is the present one of the network's weights. ``losses_of``
    computes the losses of a batch with other parameters and buffers than the network's, by name. ``other_batch`` draws
    a batch from another shuffling of the training split.
    """

    losses: tuple[Tensor, ...]
    batch: Batch
    learning_rate: float
    losses_of: Callable[[Batch, Mapping[str, Tensor]], tuple[Tensor, ...]]
    other_batch: Callable[[], Batch]

    @property
    def values(self) -> Tensor:
        """Losses as one tensor ``[tasks]``."""
        return torch.stack(self.losses)


class Weighting(nn.Module, ABC):
    """Method that turns task losses into gradients. Its parameters are what it learns, its state is what it stores."""

    @abstractmethod
    def backward(self, step: TrainingStep) -> None:
        """Add to the ``grad`` of every parameter that learns."""

    def end_epoch(self) -> None:  # most methods have nothing to do here
        """Finish an epoch. The loop calls this after the last step of each epoch."""
