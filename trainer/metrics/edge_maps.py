"""Operations on edge maps: thinning to ridges, and the maximum within a distance."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_TIE = 1e-3  # of two logits this close neither is the higher one: interpolation rounds


def suppress_off_ridges(logits: Tensor) -> Tensor:
    """Set pixels to -inf if a neighbor across the edge is higher (non-maximum suppression, Canny 1986).

    Maps are ``[b, h, w]``. The neighbors lie one pixel away on both sides and are interpolated. A flat top keeps its
    width.
    """
    across = _directions_across(logits)
    highest = torch.maximum(_at_distance(logits, across), _at_distance(logits, -across))
    return torch.where(logits >= highest - _TIE, logits, -torch.inf)


def highest_within(values: Tensor, radius: float) -> Tensor:
    """Return ``[b, h, w]``: the highest value among pixels at most ``radius`` pixels away."""
    height = values.shape[-2]
    best = values
    for down in range(-int(radius), int(radius) + 1):
        right = int(math.sqrt(radius**2 - down**2))
        rows = F.max_pool2d(values, (1, 2 * right + 1), stride=1, padding=(0, right))
        shifted = F.pad(rows, (0, 0, max(down, 0), max(-down, 0)), value=-torch.inf)
        best = torch.maximum(best, shifted[:, max(-down, 0) :][:, :height])
    return best


def _directions_across(values: Tensor) -> Tensor:
    """Return unit vectors ``[b, h, w, 2]``, right and down, along which the map changes most around each pixel.

    They are the first eigenvectors of the structure tensor. On a ridge itself the slopes beside it determine them.
    """
    smooth = _convolve(values, _TRIANGLE)
    right, down = _convolve(smooth, _DIFFERENCE), _convolve(smooth, _DIFFERENCE.T)
    right_right, down_down, right_down = (_convolve(x, _TRIANGLE) for x in (right**2, down**2, right * down))
    angle = torch.atan2(2 * right_down, right_right - down_down) / 2
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


_DIFFERENCE = torch.tensor([[-1.0, 0.0, 1.0]])
_TRIANGLE = torch.outer(*2 * [torch.tensor([1.0, 2.0, 3.0, 2.0, 1.0]) / 9])


def _convolve(values: Tensor, kernel: Tensor) -> Tensor:
    rows, columns = kernel.shape
    padded = F.pad(values[:, None], 2 * [columns // 2] + 2 * [rows // 2], mode="replicate")
    return F.conv2d(padded, kernel[None, None].to(values))[:, 0]


def _at_distance(values: Tensor, steps: Tensor) -> Tensor:
    """Return the values one step further, interpolated, or those on the border.

    ``steps`` are ``[b, h, w, 2]``, right and down.
    """
    _, height, width = values.shape
    right = torch.arange(width, device=values.device).expand(height, width)
    down = torch.arange(height, device=values.device)[:, None].expand(height, width)
    places = torch.stack([right, down], dim=-1) + steps
    size = torch.tensor([width, height], device=values.device)
    grid = (2 * places + 1) / size - 1
    return F.grid_sample(values[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
