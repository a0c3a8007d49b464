"""DptTrunk: levels reassembled into a pyramid and fused from coarse to fine.

The trunk follows Ranftl, Bochkovskiy and Koltun, "Vision Transformers for Dense Prediction" (arXiv 2103.13413), with
norms in the residual units as in their segmentation network. Three differences save work or let gates reach every
layer. Maps are resized by interpolation behind the 1x1 projection, not by transposed convolutions. The 1x1 convolution
of a fusion comes before its upsampling, with which it commutes. The result stays at the finest level's size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatefront.spaces.decoders.layers import conv_norm_act, resize

_FINEST_STRIDE = 4


class DptTrunk(nn.Module):
    """Trunk that fuses a pyramid of maps.

    A transformer's equal maps become strides 4, 8, 16, 32. The levels of a pyramid keep their sizes.
    """

    def __init__(self, feature_shapes: Sequence[torch.Size], width: int, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.given_sizes = [(int(shape[2]), int(shape[3])) for shape in feature_shapes]
        self.sizes = _pyramid_sizes(self.given_sizes, input_size)
        levels = range(len(feature_shapes))
        self.project = nn.ModuleList(nn.Conv2d(shape[1], width, 1) for shape in feature_shapes)
        self.reassemble = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in levels)
        self.skip = nn.ModuleList(ResidualUnit(width) for _ in levels[:-1])
        self.fuse = nn.ModuleList(ResidualUnit(width) for _ in levels)
        self.mix = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in levels)
        self.refine = conv_norm_act(width, width, 3)

    def forward(self, features: list[Tensor]) -> Tensor:
        coarsest = len(self.sizes) - 1
        hidden = self.mix[coarsest](self.fuse[coarsest](self._level(features, coarsest)))
        for level in reversed(range(coarsest)):
            if self.sizes[level] != self.sizes[level + 1]:
                hidden = resize(hidden, self.sizes[level])
            hidden = hidden + self.skip[level](self._level(features, level))
            hidden = self.mix[level](self.fuse[level](hidden))
        refined: Tensor = self.refine(hidden)
        return refined

    def _level(self, features: list[Tensor], level: int) -> Tensor:
        projected = self.project[level](features[level])
        if self.sizes[level] != self.given_sizes[level]:
            projected = resize(projected, self.sizes[level])
        reassembled: Tensor = self.reassemble[level](projected)
        return reassembled


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions with the activation first, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.act1 = nn.ReLU()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.act2 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, feature: Tensor) -> Tensor:
        hidden = self.act2(self.norm1(self.conv1(self.act1(feature))))
        result: Tensor = feature + self.norm2(self.conv2(hidden))
        return result


def _pyramid_sizes(given: list[tuple[int, int]], input_size: tuple[int, int]) -> list[tuple[int, int]]:
    if len(given) == 1 or len(set(given)) > 1:
        return given
    strides = [_FINEST_STRIDE * 2**level for level in range(len(given))]
    return [(-(-input_size[0] // stride), -(-input_size[1] // stride)) for stride in strides]
