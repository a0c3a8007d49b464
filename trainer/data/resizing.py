"""Images and label maps at another size, each kind by its own rule."""

import torch
from torch import Tensor
from torch.nn import functional as F

from spaces.tasks import TaskKind

Size = tuple[int, int]
"""``(height, width)``."""


def resize_image(image: Tensor, size: Size) -> Tensor:
    """``[channels, h, w]``, bytes or in [0, 1]: bicubic, smoothed first where it shrinks. Bytes stay bytes."""
    if image.shape[-2:] == size:
        return image
    if image.dtype == torch.uint8:
        return (255 * resize_image(image.float() / 255, size)).round().byte()
    resized = F.interpolate(image[None], size, mode="bicubic", antialias=True, align_corners=False)[0]
    return resized.clamp(0, 1)  # bicubic overshoots at edges


def resize_label(label: Tensor, kind: TaskKind, size: Size) -> Tensor:
    """A dense label as :class:`trainer.data.Sample` has it: normals are interpolated, all else is the nearest pixel's.

    A mean of two classes is no class, and a mean of two depths lies where nothing is.
    """
    if label.shape[-2:] == size:
        return label
    return _resize_normals(label, size) if kind == "normals" else _nearest(label, size)


def _nearest(label: Tensor, size: Size) -> Tensor:
    rows, columns = (
        ((torch.arange(new) + 0.5) * (old / new)).long() for old, new in zip(label.shape[-2:], size, strict=True)
    )
    return label[..., rows[:, None], columns]


def _resize_normals(normals: Tensor, size: Size) -> Tensor:
    # Gaps count as zero vectors, so that after the scaling to unit length only what is known had a say.
    mixed = F.interpolate(normals.nan_to_num()[None], size, mode="bilinear", align_corners=False)[0]
    return unit_normals(mixed, _nearest(normals, size).isnan().any(dim=0))


def unit_normals(vectors: Tensor, unknown: Tensor) -> Tensor:
    """``[3, h, w]`` scaled to unit length; NaN where ``unknown`` ``[h, w]``, or where no direction is left."""
    # torch's own norm is many times slower over a short first axis.
    length = vectors.square().sum(dim=0, keepdim=True).sqrt()
    return torch.where(unknown | (length < 1e-6), torch.nan, vectors / length.clamp(min=1e-6))
