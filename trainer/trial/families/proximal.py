"""Group sparsity by proximal steps in AdamW's metric, as Upadhyay et al.'s sparse networks are trained.

Deleu and Bengio, "Structured Sparsity Inducing Adaptive Optimizers for Deep Learning" (arXiv 2102.03869).
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gatefront.spaces.families.input_groups import SparseLayer, from_rows, to_rows

_MAX_NEWTON_STEPS = 100
_TOLERANCE = 1e-5


class GroupSparsity:
    """Proximal step of ``strength * sum_g sqrt(|g|) ||w_g||`` after every update of the optimizer.

    A group holds the weights that read one input channel of a convolution or a linear layer below ``module``.
    """

    def __init__(self, module: nn.Module, strength: float) -> None:
        self._layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        self._strength = strength

    @torch.no_grad()
    def __call__(self, optimizer: Optimizer) -> None:
        """Make the step. ``optimizer`` is the AdamW just after its step, with the learning rate of that step."""
        groups = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
        for layer in self._layers:
            group = groups[id(layer.weight)]
            scale = _metric(optimizer.state[layer.weight], group)
            self._shrink(layer, scale, float(group["lr"]))

    def _shrink(self, layer: SparseLayer, scale: Tensor, learning_rate: float) -> None:
        rows = to_rows(layer.weight, layer)
        threshold = learning_rate * self._strength * math.sqrt(rows.shape[1])
        layer.weight.copy_(from_rows(shrink_groups(rows, to_rows(scale, layer), threshold), layer))


def shrink_groups(rows: Tensor, scale: Tensor, threshold: float) -> Tensor:
    """Return per row ``argmin_x  1/2 sum_i scale_i (x_i - w_i)^2 + threshold ||x||``; ``scale`` is above 0.

    With the solution's norm θ it is ``x_i = w_i scale_i θ / (scale_i θ + threshold)``, and 0 if ``||scale * w|| <=
    threshold``. θ is the root of ``sum_i (w_i / (θ + threshold / scale_i))^2 = 1``. This function is convex and
    falling, so Newton's steps from the left of the root stay there.
    """
    norms = (scale * rows).norm(dim=1)
    alive = norms > threshold
    found = torch.zeros_like(rows)
    if not alive.any():
        return found
    rows, scale, norms = rows[alive], scale[alive], norms[alive]
    theta = ((norms - threshold) / scale.amax(dim=1))[:, None]
    offset = threshold / scale
    for _ in range(_MAX_NEWTON_STEPS):
        shares = (rows / (theta + offset)).square()
        excess = shares.sum(dim=1, keepdim=True) - 1
        if float(excess.max()) < _TOLERANCE:
            break
        theta = theta + excess.clamp_min(0.0) / (2 * (shares / (theta + offset)).sum(dim=1, keepdim=True))
    found[alive] = rows * theta / (theta + offset)
    return found


def _metric(state: Mapping[str, Any], group: Mapping[str, Any]) -> Tensor:
    """Return the diagonal by which AdamW divided its step, bias-corrected as in the step itself."""
    correction = 1 - float(group["betas"][1]) ** float(state["step"])
    root: Tensor = (state["exp_avg_sq"] / correction).sqrt()
    return root + float(group["eps"])
