"""Losses of one epoch: their means, and a check that all are finite."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gatefront.spaces.errors import GatefrontError

# Reading a loss waits for the GPU, so several steps are read at once.
_STEPS_BETWEEN_CHECKS = 16


class DivergedError(GatefrontError, RuntimeError):
    """Error for a loss or a prediction that is no longer finite."""


class LossLog:
    """Log of the losses of one epoch, step by step, on the device where they were computed."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._names: tuple[str, ...] = ()
        self._unread: list[Tensor] = []
        self._read: list[list[float]] = []

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add the losses of one step.

        Raises:
            DivergedError: a loss of this step, or of the few steps before it, is not finite.
        """
        self._names = tuple(losses)
        self._unread.append(torch.stack([loss.detach() for loss in losses.values()]))
        if len(self._unread) == _STEPS_BETWEEN_CHECKS:
            self._check()

    def means(self) -> dict[str, float]:
        """Return the mean over the epoch of each loss. Raise :class:`DivergedError` like :meth:`add`."""
        self._check()
        columns = zip(*self._read, strict=True)
        return {name: sum(column) / len(column) for name, column in zip(self._names, columns, strict=True)}

    def _check(self) -> None:
        if not self._unread:
            return
        steps = torch.stack(self._unread)
        self._unread = []
        rows: list[list[float]] = steps.tolist()
        finite: list[list[bool]] = steps.isfinite().tolist()
        for row, row_is_finite in zip(rows, finite, strict=True):
            self._read.append(row)
            if not all(row_is_finite):
                column = row_is_finite.index(False)
                raise DivergedError(
                    f"the loss of {self._names[column]} is {row[column]} at epoch {self._epoch}, "
                    f"step {len(self._read)} of the epoch.",
                    hint="Lower the learning rate, or set a gradient_clip.",
                )
