"""Auto-λ (Liu et al. 2022): task weights that are learned so that one step with them helps on other data."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gatefront.trainer.weighting.weighting import TrainingStep, Weighting

INITIAL_LAMBDA = 0.1
LAMBDA_TRAVEL = 4.0
"""Largest change of a weight over a run, at most one rate of Adam per step.

The paper's rate of 1e-4 over its 40,000 steps allows 4.
"""
_EPSILON = 0.01
_SMALLEST_NORM = 1e-12


class AutoLambda(Weighting):
    """Bilevel weights by finite differences (Liu et al. 2022, Eqs. 4 to 6). All tasks are primary.

    ``θ' = θ - η ∇θ sum_t λ_t l_t(batch)`` is a virtual step of plain gradient descent. λ then follows ``∇λ_t = -η
    (l_t(θ+) - l_t(θ-)) / 2ε`` with ``θ± = θ ± ε ∇θ' sum_t l_t(other batch; θ')`` and ``ε = 0.01 / ||∇||``. The update
    itself is that of ``sum_t λ_t l_t / 0.1``, which at the start is plain training.

    Args:
        network: the network whose parameters learn.
        num_tasks: the number of losses.
        num_steps: the steps of the whole run, over which λ may change as much as in the paper.
    """

    def __init__(self, network: nn.Module, num_tasks: int, *, num_steps: int) -> None:
        super().__init__()
        # The tuple keeps the network out of the weighting's state.
        self._network = (network,)
        # λ is no parameter of the weighting, because the network's optimizer would also update it.
        self._lambda = torch.full((num_tasks,), INITIAL_LAMBDA, requires_grad=True)
        self._adam = torch.optim.Adam([self._lambda], lr=LAMBDA_TRAVEL / num_steps)

    @property
    def weights(self) -> Tensor:
        """Present λ ``[tasks]``, as multiples of their initial value."""
        return self._lambda.detach() / INITIAL_LAMBDA

    def backward(self, step: TrainingStep) -> None:
        self._lambda.grad = self._lambda_gradient(step).to(self._lambda.device)
        self._adam.step()
        (self.weights.to(step.losses[0].device) * step.values).sum().backward()  # type: ignore[no-untyped-call]

    def get_extra_state(self) -> dict[str, Any]:
        return {"lambda": self._lambda.detach().clone(), "adam": self._adam.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self._lambda.data.copy_(state["lambda"])
        self._adam.load_state_dict(state["adam"])

    def _lambda_gradient(self, step: TrainingStep) -> Tensor:
        (network,), eta = self._network, step.learning_rate
        theta = {name: value for name, value in network.named_parameters() if value.requires_grad}
        total = (self._lambda.detach().to(step.losses[0].device) * step.values).sum()
        ahead = _moved(theta, _gradients(total, theta, retain_graph=True), -eta)
        probe = {name: value.requires_grad_() for name, value in ahead.items()}
        other = torch.stack(step.losses_of(step.other_batch(), probe | _copied_buffers(network))).sum()
        slope = _gradients(other, probe)
        epsilon = _EPSILON / max(_norm(slope.values()), _SMALLEST_NORM)
        with torch.no_grad():
            above, below = (
                torch.stack(step.losses_of(step.batch, _moved(theta, slope, sign * epsilon) | _copied_buffers(network)))
                for sign in (1, -1)
            )
        return -eta * (above - below) / (2 * epsilon)


def _gradients(total: Tensor, theta: Mapping[str, Tensor], *, retain_graph: bool = False) -> dict[str, Tensor]:
    """Return the gradients of ``total``; zero for tensors that it does not depend on."""
    found = torch.autograd.grad(
        total, list(theta.values()), retain_graph=retain_graph, allow_unused=True, materialize_grads=True
    )
    return dict(zip(theta, found, strict=True))


def _moved(theta: Mapping[str, Tensor], direction: Mapping[str, Tensor], length: float) -> dict[str, Tensor]:
    return {name: value.detach() + length * direction[name] for name, value in theta.items()}


def _copied_buffers(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of the buffers, so that looking ahead does not change running statistics."""
    return {name: value.clone() for name, value in network.named_buffers()}


def _norm(gradients: Iterable[Tensor]) -> float:
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
