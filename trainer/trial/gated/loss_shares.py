"""LossShares: each task's share of the whole loss, smoothed over steps."""

from collections.abc import Sequence

import torch
from torch import Tensor

_MEMORY = 0.95  # of a step's losses, 5 % enter the average


class LossShares:
    """Running average of the tasks' losses, over their mean. A task without labels in a batch keeps its average."""

    def __init__(self) -> None:
        self._average: Tensor | None = None

    def update(self, losses: Sequence[Tensor]) -> Tensor:
        """Add a step with these losses. Return the shares ``[tasks]``, mean 1; all are 1 while every loss is 0."""
        latest = torch.stack([loss.detach().double() for loss in losses])
        before = latest if self._average is None else self._average
        self._average = torch.where(latest > 0, torch.lerp(latest, before, _MEMORY), before)
        mean = self._average.mean()
        return torch.where(mean > 0, self._average / mean, 1.0)

    def state(self) -> list[float]:
        """Return the state for :meth:`restore`; empty before the first update."""
        return [] if self._average is None else self._average.tolist()

    def restore(self, state: Sequence[float]) -> None:
        self._average = torch.tensor(state, dtype=torch.float64) if state else None
