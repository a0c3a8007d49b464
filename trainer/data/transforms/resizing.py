"""Resizing of images and label maps, each kind by its own rule."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gatefront.spaces.architecture.tasks import TaskKind

Size = tuple[int, int]
"""Pair of ``(height, width)``."""


def resize_image(image: Tensor, size: Size) -> Tensor:
    """Resize ``[channels, h, w]``, bytes or in [0, 1], bicubically, smoothed if it shrinks. Bytes stay bytes."""
    if image.shape[-2:] == size:
        return image
    if image.dtype == torch.uint8:
        return (255 * resize_image(image.float() / 255, size)).round().byte()
    resized = F.interpolate(image[None], size, mode="bicubic", antialias=True, align_corners=False)[0]
    return resized.clamp(0, 1)  # bicubic overshoots at edges


def resize_label(label: Tensor, kind: TaskKind, size: Size) -> Tensor:
    """Resize a dense label as in :class:`gatefront.trainer.data.Sample`, by the rule of its kind.

    Normals are interpolated. If edges shrink, a pixel is an edge if any pixel that it covers is one, so that no thin
    line is lost between pixels. All other kinds take the nearest pixel, because a mean of two classes is no class, and
    a mean of two depths belongs to no surface.

    Args:
        label: the label ``[..., h, w]``.
        kind: the kind of its task.
        size: the new ``(height, width)``.

    Returns:
        The label at the new size.
    """
    if label.shape[-2:] == size:
        return label
    if kind == "normals":
        return _resize_normals(label, size)
    return _resize_edges(label, size) if kind == "edges" else _nearest(label, size)


def _nearest(label: Tensor, size: Size) -> Tensor:
    rows, columns = (
        ((torch.arange(new) + 0.5) * (old / new)).long() for old, new in zip(label.shape[-2:], size, strict=True)
    )
    return label[..., rows[:, None], columns]


def _resize_edges(edges: Tensor, size: Size) -> Tensor:
    height, width = edges.shape[-2:]
    covered = (min(height, size[0]), min(width, size[1]))
    is_edge = F.adaptive_max_pool2d((edges > 0.5).float(), covered)
    return torch.where(_nearest(is_edge, size) > 0, 1.0, _nearest(edges, size))


def _resize_normals(normals: Tensor, size: Size) -> Tensor:
    # Gaps count as zero vectors, so that only known vectors affect the result after scaling to unit length.
    mixed = F.interpolate(normals.nan_to_num()[None], size, mode="bilinear", align_corners=False)[0]
    return unit_normals(mixed, _nearest(normals, size).isnan().any(dim=0))


def unit_normals(vectors: Tensor, unknown: Tensor) -> Tensor:
    """Scale ``[3, h, w]`` to unit length; NaN where ``unknown`` ``[h, w]``, or where no direction remains."""
    # torch's own norm is many times slower over a short first axis.
    length = vectors.square().sum(dim=0, keepdim=True).sqrt()
    return torch.where(unknown | (length < 1e-6), torch.nan, vectors / length.clamp(min=1e-6))
