"""Labels and images as pictures ``[h, w, 3]`` of bytes, for people to look at."""

import colorsys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX, DataDescription

Picture = NDArray[np.uint8]

UNKNOWN = (255, 0, 160)
"""The colour of pixels without a label."""

_GOLDEN_RATIO = 0.618


def image_picture(image: Tensor, description: DataDescription) -> Picture:
    """An image as it was before it was normalised; of other than three channels, the first in grey."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (description.mean, description.std))
    pixels = image * std + mean
    return _bytes(pixels if len(pixels) == 3 else pixels[:1].expand(3, -1, -1))


def label_picture(task: Task, label: Tensor) -> Picture:
    """A dense label: classes in colours, larger depths brighter, normals ``(n + 1) / 2``, edges and saliency white."""
    if task.kind == "segmentation":
        return _classes(label, task.num_outputs)
    known = ~label.isnan().any(dim=0)
    if task.kind == "normals":
        values = (label + 1) / 2
    elif task.kind == "depth":
        values = _stretched(label).expand(3, -1, -1)
    else:
        values = label.expand(3, -1, -1)
    picture = _bytes(values)
    picture[~known.numpy()] = UNKNOWN
    return picture


def class_color(number: int) -> tuple[int, int, int]:
    """Return a class's color: neighboring numbers get hues far apart, numbers of near hues another lightness."""
    hue = (0.55 + number * _GOLDEN_RATIO) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.6, 0.3, 0.8)[number % 3], (0.9, 0.55)[number % 2])
    return round(255 * red), round(255 * green), round(255 * blue)


def _classes(label: Tensor, num_classes: int) -> Picture:
    palette = np.array([*map(class_color, range(num_classes)), UNKNOWN], np.uint8)
    known = (label != IGNORE_INDEX) & (label >= 0) & (label < num_classes)
    picture: Picture = palette[torch.where(known, label, num_classes).numpy()]
    return picture


def _stretched(depth: Tensor) -> Tensor:
    """From 0 at the smallest to 1 at the largest finite value."""
    finite = depth[depth.isfinite()]
    if finite.numel() == 0:
        return depth
    low, high = float(finite.min()), float(finite.max())
    return (depth - low) / max(high - low, 1e-6)


def _bytes(values: Tensor) -> Picture:
    """``[3, h, w]`` in [0, 1]."""
    picture: Picture = (255 * values.nan_to_num().clamp(0, 1)).round().byte().movedim(0, -1).numpy().copy()
    return picture
