"""Kinds of layers: those of torch that work value by value, and our own that a plain network may hold."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., arXiv 1603.09382), which sets the value of whole images to zero in training.

    Values of the other images are scaled by ``1 / (1 - drop_prob)``. Nothing happens in evaluation mode. Random numbers
    are drawn as timm draws them, so that both drop the same images for one seed.
    """

    def __init__(self, drop_prob: float, *, scale_by_keep: bool = True) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.scale_by_keep = scale_by_keep

    def forward(self, value: Tensor) -> Tensor:
        if not self.training or self.drop_prob == 0:
            return value
        keep = 1 - self.drop_prob
        mask = value.new_empty((value.shape[0],) + (1,) * (value.dim() - 1)).bernoulli_(keep)
        return value * (mask / keep if self.scale_by_keep and keep > 0 else mask)

    def extra_repr(self) -> str:
        return f"drop_prob={self.drop_prob}"


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of ``[batch, channels, height, width]``, at every place by itself."""

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, feature: Tensor) -> Tensor:
        last = feature.permute(0, 2, 3, 1)
        return F.layer_norm(last, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{self.num_channels}, eps={self.eps}"


ELEMENTWISE_MODULES: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SiLU,
    nn.GELU,
    nn.Mish,
    nn.Tanh,
    nn.Sigmoid,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Hardtanh,
    nn.Identity,
    nn.Dropout,
    DropPath,
)
"""Layers that return a tensor of their input's shape, in which every value depends on the one at its place."""


def keeps_shape(module: nn.Module, inputs: Sequence[Any]) -> bool:
    """Return True for a norm or an activation of an input that fits it, which need not be computed."""
    if type(module) is nn.BatchNorm2d:
        return len(inputs) == 1 and inputs[0].dim() == 4 and inputs[0].shape[1] == module.num_features
    return len(inputs) == 1 and type(module) in ELEMENTWISE_MODULES
