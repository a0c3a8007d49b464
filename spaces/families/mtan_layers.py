"""Layers of MTAN: masks, refinement between stages, and the pooling that follows the backbone's resolution."""

import torch
from torch import Tensor, nn

from gatefront.spaces.errors import SpaceError

_REDUCTION = 4
"""Ratio of output channels to hidden channels in masks and refinements, from the multi-task survey's code."""


class AttentionMask(nn.Sequential):
    """Mask ``[b, in, h, w] -> [b, out, h, w]`` in 0..1 over the places and channels of the shared feature."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        hidden = max(1, out_channels // _REDUCTION)
        super().__init__(
            nn.Conv2d(in_channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.Sigmoid(),
        )


class Refinement(nn.Module):
    """Residual bottleneck that gives a masked feature the channels of the next stage."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        hidden = max(1, out_channels // _REDUCTION)
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.act = nn.ReLU()

    def forward(self, feature: Tensor) -> Tensor:
        refined: Tensor = self.act(self.residual(feature) + self.shortcut(feature))
        return refined


def pool_to(size: torch.Size, wanted: torch.Size) -> nn.MaxPool2d:
    """Return max pooling without overlap from maps of ``size`` ``(height, width)`` to maps of ``wanted``.

    Raises:
        SpaceError: no such pooling gives that size.
    """
    for ceil_mode in (False, True):
        kernel = tuple(-(-s // w) if ceil_mode else s // w for s, w in zip(size, wanted, strict=True))
        given = tuple(-(-s // k) if ceil_mode else s // max(k, 1) for s, k in zip(size, kernel, strict=True))
        if given == tuple(wanted):
            return nn.MaxPool2d((kernel[0], kernel[1]), ceil_mode=ceil_mode)
    raise SpaceError(
        f"no max pooling gives maps of {wanted[0]}x{wanted[1]} from {size[0]}x{size[1]}.",
        hint="Choose an input_size that the backbone's strides divide.",
    )
