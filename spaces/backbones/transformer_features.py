"""Transformers of timm as feature extractors: maps of inner blocks, and a last map behind the final norm."""

from typing import Any

from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError

NUM_MAPS = 4


class VitFeatures(nn.Module):
    """Maps ``[b, d, h, w]`` of the patch tokens behind chosen blocks, without class tokens. The last map is normed."""

    def __init__(self, model: Any, blocks: list[int]) -> None:
        super().__init__()
        self.model = model
        self.blocks = blocks
        self.grid_size: tuple[int, int] = tuple(model.patch_embed.grid_size)
        self.num_prefix_tokens: int = model.num_prefix_tokens

    def forward(self, images: Tensor) -> list[Tensor]:
        tokens, maps = self.model.forward_intermediates(images, indices=self.blocks)
        patches = tokens[:, self.num_prefix_tokens :]
        return [*maps[:-1], patches.transpose(1, 2).unflatten(2, self.grid_size)]


class SwinFeatures(nn.Module):
    """Maps ``[b, c, h, w]`` of chosen stages. The last map is normed."""

    def __init__(self, model: Any, stages: list[int]) -> None:
        super().__init__()
        self.model = model
        self.stages = stages

    def forward(self, images: Tensor) -> list[Tensor]:
        last, maps = self.model.forward_intermediates(images, indices=self.stages)
        return [*maps[:-1], last.permute(0, 3, 1, 2)]


class ChannelsFirst(nn.Module):
    """Maps ``[b, c, h, w]`` of a network that keeps channels last."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> list[Tensor]:
        return [feature.permute(0, 3, 1, 2) for feature in self.model(images)]


def build_vit(model: Any, architecture: Architecture) -> VitFeatures:
    """Build an extractor of four maps from evenly spaced blocks for dense tasks, otherwise of the last block's map.

    Raises:
        SpaceError: the images are no whole number of patches.
    """
    _refuse_part_patches(model, architecture)
    depth = len(model.blocks)
    return VitFeatures(model, evenly_spaced(depth, NUM_MAPS if _is_dense(architecture) else 1))


def build_swin(model: Any, architecture: Architecture) -> SwinFeatures:
    """Build an extractor of one map per stage for dense tasks, otherwise of the last stage's map.

    Raises:
        SpaceError: the images are no whole number of patches.
    """
    _refuse_part_patches(model, architecture)
    count = len(model.layers)
    return SwinFeatures(model, evenly_spaced(count, count if _is_dense(architecture) else 1))


def _is_dense(architecture: Architecture) -> bool:
    return any(task.is_dense for task in architecture.tasks)


def evenly_spaced(depth: int, count: int) -> list[int]:
    """Return ``count`` of ``depth`` indices, evenly spaced, with the last one always among them."""
    return sorted({-(-depth * (i + 1) // count) - 1 for i in range(count)})


def _refuse_part_patches(model: Any, architecture: Architecture) -> None:
    (height, width), (rows, columns) = architecture.input_size, model.patch_embed.patch_size
    if height % rows or width % columns:
        raise SpaceError(
            f"{architecture.backbone!r} cuts images into patches of {rows}x{columns} px, which do not fill "
            f"{height}x{width} px.",
            hint=f"Use images of {max(1, round(height / rows)) * rows}x{max(1, round(width / columns)) * columns} px.",
        )
