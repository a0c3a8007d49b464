"""Warp of a whole sample: mirrored, turned, zoomed and shifted, with the effect on each kind of label."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import IGNORE_INDEX, Sample
from gatefront.trainer.data.transforms.resizing import Size, unit_normals


@dataclass(frozen=True, slots=True, kw_only=True)
class Warp:
    """Change that mirrors the image, then zooms by ``scale`` and turns by ``angle`` about a point, the new middle.

    ``angle`` is in radians, counter-clockwise in the visible image. ``centre`` is that point, ``(down, right)`` in
    pixels from the middle of the mirrored image.
    """

    flip: bool = False
    scale: float = 1.0
    angle: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelGeometry:
    """Meaning of labels in space: the direction of the normals' y, and whether depth is really its inverse."""

    normals_point_up: bool = True
    depth_is_inverse: bool = False


def warp_sample(sample: Sample, tasks: Sequence[Task], warp: Warp, geometry: LabelGeometry) -> Sample:
    """Return the changed sample, of the same size. Pixels from outside the image are 0, and unknown in labels.

    Images and normals are interpolated, all other labels take the nearest pixel. Normals turn with the image. Zooming
    in by ``scale`` brings things nearer, so depth is divided by it and inverse depth multiplied. Labels of whole images
    do not change.
    """
    _, height, width = sample.image.shape
    grid = _Grid(warp, (height, width))
    labels = dict(sample.labels)
    for task in tasks:
        if task.name not in labels or not task.is_dense:
            continue
        label = labels[task.name]
        if task.kind == "normals":
            labels[task.name] = _warp_normals(label, warp, grid, geometry)
        elif task.kind == "depth":
            factor = warp.scale if geometry.depth_is_inverse else 1 / warp.scale
            labels[task.name] = factor * grid.nearest(label, outside=torch.nan)
        else:
            labels[task.name] = grid.nearest(label, IGNORE_INDEX if task.kind == "segmentation" else torch.nan)
    return Sample(grid.interpolated(sample.image), labels)


def _warp_normals(normals: Tensor, warp: Warp, grid: "_Grid", geometry: LabelGeometry) -> Tensor:
    unknown = grid.nearest(normals, outside=torch.nan).isnan().any(dim=0)
    # Gaps count as zero vectors, so that only known vectors affect the result after scaling to unit length.
    right, y, z = grid.interpolated(normals.nan_to_num())
    right = -right if warp.flip else right
    up = y if geometry.normals_point_up else -y
    cos, sin = math.cos(warp.angle), math.sin(warp.angle)
    right, up = cos * right - sin * up, sin * right + cos * up
    return unit_normals(torch.stack([right, up if geometry.normals_point_up else -up, z]), unknown)


class _Grid:
    """Origin of each pixel of the changed image, in pixels of the old one."""

    def __init__(self, warp: Warp, size: Size) -> None:
        height, width = size
        down = (torch.arange(height) + 0.5 - height / 2).view(-1, 1)
        right = torch.arange(width) + 0.5 - width / 2
        # The inverse turns clockwise, shrinks, shifts and mirrors. Without a turn, rows and columns stay separate.
        if warp.angle:
            cos, sin = math.cos(warp.angle), math.sin(warp.angle)
            right, down = cos * right - sin * down, sin * right + cos * down
        old_right, old_down = right / warp.scale + warp.centre[1], down / warp.scale + warp.centre[0]
        if warp.flip:
            old_right = -old_right
        rows = (old_down + height / 2).floor().long()
        columns = (old_right + width / 2).floor().long()
        self._inside = ((rows >= 0) & (rows < height)) & ((columns >= 0) & (columns < width))
        # A warp that zooms in without turning, as most do, shows nothing from outside.
        self._is_all_inside = bool(self._inside.all())
        self._pixels = (rows.clamp_(0, height - 1) * width + columns.clamp_(0, width - 1)).view(-1)
        places = [place.expand(size) for place in (2 * old_right / width, 2 * old_down / height)]
        self._places = torch.stack(places, dim=-1)[None]

    def nearest(self, values: Tensor, outside: float) -> Tensor:
        """Return ``[..., h, w]`` with each pixel from the nearest old one."""
        # One index into flat pixels is several times faster in torch than one for rows and one for columns.
        found = values.flatten(-2).index_select(-1, self._pixels).view(values.shape)
        return found if self._is_all_inside else torch.where(self._inside, found, outside)

    def interpolated(self, values: Tensor) -> Tensor:
        """Return ``[channels, h, w]``, bilinear; 0 outside."""
        found = F.grid_sample(values[None], self._places, padding_mode="border", align_corners=False)[0]
        return found if self._is_all_inside else torch.where(self._inside, found, 0.0)
