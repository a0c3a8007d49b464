"""ClassificationDecoder: the decoder of every task that is not dense."""

import torch
from torch import Tensor, nn


class ClassificationDecoder(nn.Module):
    """Global average pooling (for maps) and one linear layer: logits ``[batch, classes]``."""

    def __init__(self, feature_shape: torch.Size, num_outputs: int) -> None:
        super().__init__()
        self.pools = len(feature_shape) == 4
        if self.pools:
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.flatten = nn.Flatten()
        self.linear = nn.Linear(feature_shape[1], num_outputs)

    def forward(self, features: list[Tensor]) -> Tensor:
        feature = features[-1]
        if self.pools:
            feature = self.flatten(self.pool(feature))
        logits: Tensor = self.linear(feature)
        return logits
