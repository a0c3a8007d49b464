"""Weightings that combine the tasks' gradients: one backward pass per task, and as many gradients in memory.

A parameter that several losses depend on gets their combined gradient. A parameter of a single task (its decoder) gets
that task's own.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchjd.aggregation import MGDA, Aggregator, CAGrad, PCGrad

from gatefront.trainer.weighting.weighting import TrainingStep, Weighting

CAGRAD_C = 0.4
"""Constant c of CAGrad in Liu et al. 2021 for NYUv2."""


class GradientWeighting(Weighting):
    """Weighting that passes the Jacobian ``[tasks, shared parameters]`` to an aggregator of TorchJD.

    Args:
        network: the network whose parameters learn.
        aggregator: combines the rows.
        is_mean: the aggregator returns a mean of gradients, which is turned into a sum as in plain training.
    """

    def __init__(self, network: nn.Module, aggregator: Aggregator, *, is_mean: bool) -> None:
        super().__init__()
        # The tuple keeps the network out of the weighting's state.
        self._network = (network,)
        self._aggregator = aggregator
        self._is_mean = is_mean

    def backward(self, step: TrainingStep) -> None:
        parameters = [parameter for parameter in self._network[0].parameters() if parameter.requires_grad]
        rows = [_gradients(loss, parameters) for loss in step.losses]
        users = [[row[index] for row in rows if row[index] is not None] for index in range(len(parameters))]
        shared = [index for index, gradients in enumerate(users) if len(gradients) > 1]
        if shared:
            combined = self._combine(_jacobian(rows, shared, parameters))
            parts = torch.split(combined, [parameters[index].numel() for index in shared])
            for index, part in zip(shared, parts, strict=True):
                _add(parameters[index], part.view_as(parameters[index]))
        for index, gradients in enumerate(users):
            if len(gradients) == 1 and gradients[0] is not None:
                _add(parameters[index], gradients[0])

    def _combine(self, jacobian: Tensor) -> Tensor:
        # A task without labels in this batch is left out, because its zero gradient would be the shortest of all.
        jacobian = jacobian[jacobian.ne(0).any(dim=1)]
        if len(jacobian) == 0 or not bool(jacobian.isfinite().all()):
            return jacobian.sum(dim=0)  # nothing for a solver; if a loss has diverged, the loop says which
        combined: Tensor = self._aggregator(jacobian)
        return len(jacobian) * combined if self._is_mean else combined


def pcgrad(network: nn.Module) -> Weighting:
    """Return PCGrad (Yu et al. 2020), which removes conflicting parts of each gradient and then sums them."""
    return GradientWeighting(network, PCGrad(), is_mean=False)


def cagrad(network: nn.Module) -> Weighting:
    """Return CAGrad (Liu et al. 2021), c = 0.4: the step near the mean gradient that helps the worst task most."""
    return GradientWeighting(network, CAGrad(c=CAGRAD_C), is_mean=True)


def mgda(network: nn.Module) -> Weighting:
    """Return MGDA (Désidéri 2012, Sener and Koltun 2018): the shortest vector in the gradients' convex hull."""
    return GradientWeighting(network, MGDA(), is_mean=True)


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)


def _jacobian(
    rows: Sequence[Sequence[Tensor | None]], shared: Sequence[int], parameters: Sequence[nn.Parameter]
) -> Tensor:
    """Return the Jacobian ``[tasks, values]``; zero where a loss does not depend on a parameter."""
    return torch.stack(
        [
            torch.cat([(torch.zeros_like(parameters[i]) if (g := row[i]) is None else g).reshape(-1) for i in shared])
            for row in rows
        ]
    )


def _add(parameter: nn.Parameter, gradient: Tensor) -> None:
    parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad + gradient
