"""Two building blocks of which every dense decoder is made."""

import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm_act(in_channels: int, out_channels: int, kernel_size: int, *, dilation: int = 1) -> nn.Sequential:
    """Build a convolution that keeps the map's size, followed by norm and ReLU."""
    padding = dilation * (kernel_size // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def resize(feature: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a map bilinearly to ``size``, ``(height, width)``.

    ``size`` is fixed when a decoder is built, so that the exported network has no shape arithmetic.
    """
    return F.interpolate(feature, size=size, mode="bilinear", align_corners=False)
