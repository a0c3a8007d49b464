"""SmallConv: four convolutions for images of up to 64 px, the backbone of the built-in digits."""

import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture

_BASE_CHANNELS = 4


class SmallConv(nn.Module):
    """Four 3x3 convolutions (strides 1, 2, 1, 2), each with norm and ReLU.

    With classification tasks only, a linear layer follows over the flattened last map. It keeps the position of things,
    which a global average would lose. With a dense task the maps themselves are returned. ``width`` 1.0 gives 4, 8, 8
    and 16 channels and a vector of 32.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        base = max(1, round(_BASE_CHANNELS * architecture.width))
        self.stage1 = _conv_norm_act(architecture.in_channels, base, stride=1)
        self.stage2 = _conv_norm_act(base, 2 * base, stride=2)
        self.stage3 = _conv_norm_act(2 * base, 2 * base, stride=1)
        self.stage4 = _conv_norm_act(2 * base, 4 * base, stride=2)
        self.returns_maps = any(task.is_dense for task in architecture.tasks)
        if not self.returns_maps:
            height, width = (-(-size // 4) for size in architecture.input_size)
            self.flatten = nn.Flatten()
            self.linear = nn.Linear(4 * base * height * width, 8 * base)
            self.act = nn.ReLU()

    def forward(self, images: Tensor) -> list[Tensor]:
        fine = self.stage3(self.stage2(self.stage1(images)))
        coarse = self.stage4(fine)
        if self.returns_maps:
            return [fine, coarse]
        vector: torch.Tensor = self.act(self.linear(self.flatten(coarse)))
        return [vector]


def _conv_norm_act(in_channels: int, out_channels: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
