"""Weightings that combine the tasks' gradients: one backward pass per task, and as many gradients in memory.

A parameter that several losses depend on gets their combined gradient. A parameter of a single task (its decoder) gets
that task's own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchjd.aggregation import (
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    FairGradWeighting,
    GradDrop,
    GradVac,
    PCGrad,
    UPGrad,
)

from gatefront.trainer.weighting.dual_cone import LeastSquaresProjector
from gatefront.trainer.weighting.weighting import TrainingStep, Weighting

CAGRAD_C = 0.4
"""Constant c of CAGrad in Liu et al. 2021 for NYUv2."""

FAIRGRAD_ALPHA = 2.0
"""Fairness of FairGrad in Ban and Ji 2024 for NYUv2."""

NASH_ALPHA = 1.0
"""Fairness at which FairGrad's equation is that of Nash-MTL (Ban and Ji 2024, section 3)."""

Combine = Callable[[Tensor], Tensor]
"""Function from the Jacobian ``[tasks, values]`` to one gradient ``[values]``, such as an aggregator of TorchJD."""


class GradientWeighting(Weighting):
    """Weighting that passes the Jacobian ``[tasks, shared parameters]`` to an aggregator of TorchJD.

    Args:
        network: the network whose parameters learn.
        aggregator: a function that combines the rows.
        is_mean: the aggregator returns a mean of gradients, which is turned into a sum as in plain training.
    """

    def __init__(self, network: nn.Module, aggregator: Combine, *, is_mean: bool) -> None:
        super().__init__()
        # The tuple keeps the network out of the weighting's state.
        self._network = (network,)
        self._aggregator = (aggregator,)
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
        (aggregator,) = self._aggregator
        combined = aggregator(jacobian)
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


def imtl_g(network: nn.Module) -> Weighting:
    """Return IMTL-G (Liu et al. 2021): the combination with equal projections on all gradients."""
    return GradientWeighting(network, IMTLG(), is_mean=True)


def aligned_mtl(network: nn.Module) -> Weighting:
    """Return Aligned-MTL (Senushkin et al. 2023): the mean after singular values are made equal."""
    return GradientWeighting(network, AlignedMTL(), is_mean=True)


def upgrad(network: nn.Module) -> Weighting:
    """Return UPGrad (Quinton and Rey 2024): the mean of gradients, each projected to conflict with none."""
    return GradientWeighting(network, UPGrad(projector=LeastSquaresProjector()), is_mean=True)


def dualproj(network: nn.Module) -> Weighting:
    """Return DualProj (Lopez-Paz and Ranzato 2017): the mean gradient, projected to conflict with none."""
    return GradientWeighting(network, DualProj(projector=LeastSquaresProjector()), is_mean=True)


def config(network: nn.Module) -> Weighting:
    """Return ConFIG (Liu et al. 2024): equal cosines with all gradients, at the length of their projections."""
    return GradientWeighting(network, ConFIG(), is_mean=False)


def graddrop(network: nn.Module) -> Weighting:
    """Return GradDrop (Chen et al. 2020): per value one sign, drawn by how much the gradients agree on it."""
    return GradientWeighting(network, GradDrop(), is_mean=False)


def fairgrad(network: nn.Module) -> Weighting:
    """Return FairGrad (Ban and Ji 2024), alpha = 2: ``J^T w`` with ``J J^T w = w^(-1/alpha)``, w scaled to sum to T."""
    return _fair(network, FAIRGRAD_ALPHA)


def nash_mtl(network: nn.Module) -> Weighting:
    """Return Nash-MTL (Navon et al. 2022): ``J^T w`` with ``J J^T w = 1 / w``, w scaled to sum to T.

    TorchJD's own solves this by a solver that is no longer maintained. FairGrad solves the same equation.
    """
    return _fair(network, NASH_ALPHA)


def _fair(network: nn.Module, alpha: float) -> Weighting:
    weighting = FairGradWeighting(alpha=alpha)

    def combine(jacobian: Tensor) -> Tensor:
        weights = weighting(jacobian @ jacobian.T)
        scaled: Tensor = len(weights) * weights / weights.sum()
        return scaled @ jacobian

    return GradientWeighting(network, combine, is_mean=False)


class GradVacWeighting(GradientWeighting):
    """GradVac (Wang et al. 2021): gradients turned until they agree as much as they usually do; then the sum.

    Running averages of the agreement begin anew when a task has no label in a batch, because pairs then differ.
    """

    def __init__(self, network: nn.Module) -> None:
        aggregator = GradVac()
        super().__init__(network, aggregator, is_mean=False)
        # A tuple, because its buffer is None at first, which no state dict fits.
        self._weights = (aggregator.gramian_weighting,)

    def get_extra_state(self) -> dict[str, Any]:
        (weighting,) = self._weights
        return {"phi": weighting._phi_t}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        (weighting,), phi = self._weights, state["phi"]
        weighting._phi_t = None if phi is None else phi.clone()
        weighting._state_key = None if phi is None else (len(phi), phi.dtype)


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
