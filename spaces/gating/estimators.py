"""Two estimators of ``dL/dalpha``, the gradient of a gate that is open or shut."""

import torch
from torch import Tensor

_STRETCH_LOW, _STRETCH_HIGH, _TEMPERATURE = -0.1, 1.1, 2 / 3  # gamma, zeta, beta of Louizos et al.


def straight_through(alpha: Tensor) -> Tensor:
    """Return ``1[alpha >= 0]`` with the derivative of ``sigmoid(alpha)``."""
    return _StraightThrough.apply(alpha)  # type: ignore[no-untyped-call,no-any-return]


def hard_concrete(alpha: Tensor) -> Tensor:
    """Return a random value in [0, 1], often exactly 0 or 1, whose median is at least 1/2 where ``alpha >= 0``.

    It has the stretched and clamped concrete distribution of Louizos, Welling, Kingma, "Learning Sparse Neural Networks
    through L0 Regularization" (arXiv 1712.01312), Eqs. 10 and 11, with that paper's constants.
    """
    u = torch.rand_like(alpha).clamp(1e-6, 1 - 1e-6)
    s = torch.sigmoid((torch.log(u) - torch.log1p(-u) + alpha) / _TEMPERATURE)
    return (s * (_STRETCH_HIGH - _STRETCH_LOW) + _STRETCH_LOW).clamp(0, 1)


class _StraightThrough(torch.autograd.Function):
    """Step at zero with the derivative of the sigmoid.

    It is a function of its own, because ``hard + p - p.detach()`` gives 1 - 1e-8 in place of 1.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, alpha: Tensor) -> Tensor:
        ctx.save_for_backward(alpha)
        return (alpha >= 0).to(alpha.dtype)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        (alpha,) = ctx.saved_tensors  # type: ignore[attr-defined]
        p = torch.sigmoid(alpha)
        return gradient * p * (1 - p)
