"""Constant weights: the default, with which everything else is compared."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gatefront.trainer.weighting.weighting import TrainingStep, Weighting


class ConstantWeighting(Weighting):
    """Weighting ``sum_t w_t l_t`` with constant weights."""

    weights: Tensor

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def backward(self, step: TrainingStep) -> None:
        (self.weights * step.values).sum().backward()  # type: ignore[no-untyped-call]
