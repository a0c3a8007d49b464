"""Heads: from the backbone's features to one task's prediction."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spaces.architecture import Architecture
from spaces.errors import SpaceError
from spaces.tasks import Task


def build_head(task: Task, architecture: Architecture, feature_shapes: Sequence[torch.Size]) -> nn.Module:
    """The head of one task for features of these shapes (batch axis included).

    Raises:
        SpaceError: a dense task on a backbone that gives no maps.
    """
    if not task.is_dense:
        return ClassificationHead(feature_shapes[-1], task.num_outputs)
    if any(len(shape) != 4 for shape in feature_shapes):
        raise SpaceError(
            f"task {task.name} ({task.kind}) needs feature maps, but {architecture.backbone!r} gives vectors.",
            hint="Choose a backbone that returns maps.",
        )
    return LightDenseHead(feature_shapes, architecture.head_width, task.num_outputs, architecture.input_size)


class ClassificationHead(nn.Module):
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


class LightDenseHead(nn.Module):
    """All levels projected to ``head_width``, added at the finest level's size, refined once, predicted.

    Output ``[batch, outputs, height, width]`` at the network's input size. Sizes are fixed when the head is
    built, so that the exported network has no shape arithmetic.
    """

    def __init__(
        self,
        feature_shapes: Sequence[torch.Size],
        head_width: int,
        num_outputs: int,
        input_size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.level_size = (int(feature_shapes[0][2]), int(feature_shapes[0][3]))
        self.input_size = input_size
        self.project = nn.ModuleList(nn.Conv2d(shape[1], head_width, 1, bias=False) for shape in feature_shapes)
        self.norm = nn.BatchNorm2d(head_width)
        self.act = nn.ReLU()
        self.refine = nn.Conv2d(head_width, head_width, 3, padding=1, bias=False)
        self.refine_norm = nn.BatchNorm2d(head_width)
        self.refine_act = nn.ReLU()
        self.predict = nn.Conv2d(head_width, num_outputs, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        merged = self.project[0](features[0])
        for level in range(1, len(self.project)):
            merged = merged + _resize(self.project[level](features[level]), self.level_size)
        hidden = self.act(self.norm(merged))
        hidden = self.refine_act(self.refine_norm(self.refine(hidden)))
        return _resize(self.predict(hidden), self.input_size)


def _resize(feature: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(feature, size=size, mode="bilinear", align_corners=False)
