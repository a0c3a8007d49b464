"""LightTrunk: the cheapest decoder that reads every level."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatefront.spaces.decoders.layers import resize


class LightTrunk(nn.Module):
    """All levels projected to ``width`` channels, added at the finest level's size, refined once."""

    def __init__(self, feature_shapes: Sequence[torch.Size], width: int, _: tuple[int, int]) -> None:
        super().__init__()
        self.sizes = [(int(shape[2]), int(shape[3])) for shape in feature_shapes]
        self.project = nn.ModuleList(nn.Conv2d(shape[1], width, 1, bias=False) for shape in feature_shapes)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.ReLU()
        self.refine = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.refine_norm = nn.BatchNorm2d(width)
        self.refine_act = nn.ReLU()

    def forward(self, features: list[Tensor]) -> Tensor:
        merged = self.project[0](features[0])
        for level in range(1, len(self.sizes)):
            projected = self.project[level](features[level])
            if self.sizes[level] != self.sizes[0]:
                projected = resize(projected, self.sizes[0])
            merged = merged + projected
        hidden = self.act(self.norm(merged))
        refined: Tensor = self.refine_act(self.refine_norm(self.refine(hidden)))
        return refined
