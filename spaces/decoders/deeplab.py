"""DeepLabTrunk: atrous spatial pyramid pooling on the last map, as the multi-task survey's networks have it.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation" (arXiv 1706.05587), section 3.3, with
the settings of Vandenhende et al., "Multi-Task Learning for Dense Prediction Tasks: A Survey".
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatefront.spaces.decoders.layers import conv_norm_act, resize

ASPP_RATES = (12, 24, 36)
"""Dilation rates for output stride 8. The survey and the published costs keep them for every stride."""

_DROPOUT = 0.5


class DeepLabTrunk(nn.Module):
    """Five views of the last map, concatenated and projected: 1x1, three dilated 3x3, and the image's mean."""

    def __init__(self, feature_shapes: Sequence[torch.Size], width: int, _: tuple[int, int]) -> None:
        super().__init__()
        in_channels = feature_shapes[-1][1]
        self.point = conv_norm_act(in_channels, width, 1)
        self.atrous = nn.ModuleList(conv_norm_act(in_channels, width, 3, dilation=rate) for rate in ASPP_RATES)
        self.image = ImagePooling(feature_shapes[-1], width)
        self.project = conv_norm_act((2 + len(ASPP_RATES)) * width, width, 1)
        self.dropout = nn.Dropout(_DROPOUT)
        self.refine = conv_norm_act(width, width, 3)

    def forward(self, features: list[Tensor]) -> Tensor:
        last = features[-1]
        views = [self.point(last), *(branch(last) for branch in self.atrous), self.image(last)]
        hidden = self.dropout(self.project(torch.cat(views, dim=1)))
        refined: Tensor = self.refine(hidden)
        return refined


class ImagePooling(nn.Module):
    """Mean over the map, given to every pixel.

    Its convolution has a bias where the other views have a norm. Behind the mean there is one value per channel and
    image, so that batch statistics would come from a handful of values. With one image per batch torch refuses to train
    such a norm. The pruned network has this form in either case, because norms are folded.
    """

    def __init__(self, feature_shape: torch.Size, width: int) -> None:
        super().__init__()
        self.size = (int(feature_shape[2]), int(feature_shape[3]))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv2d(feature_shape[1], width, 1)
        self.act = nn.ReLU()

    def forward(self, feature: Tensor) -> Tensor:
        return resize(self.act(self.conv(self.pool(feature))), self.size)
