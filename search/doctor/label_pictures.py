"""Pictures ``[h, w, 3]`` of bytes that show labels and images to people."""

import colorsys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX, DataDescription

Picture = NDArray[np.uint8]

UNKNOWN = (255, 0, 160)
"""Color of pixels without a label."""

_GOLDEN_RATIO = 0.618


def image_picture(image: Tensor, description: DataDescription) -> Picture:
    """Return an image as it was before it was normalized.

    If it does not have three channels, its first one is shown in gray.
    """
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (description.mean, description.std))
    pixels = image * std + mean
    return _bytes(pixels if len(pixels) == 3 else pixels[:1].expand(3, -1, -1))


def label_picture(task: Task, label: Tensor) -> Picture:
    """Return the picture of a dense label.

    Classes have colors, larger depths are brighter, normals are ``(n + 1) / 2``, edges and saliency are white.
    """
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
    """Return a class's color.

    Neighboring numbers have hues far apart. Numbers with near hues differ in lightness.
    """
    hue = (0.55 + number * _GOLDEN_RATIO) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.6, 0.3, 0.8)[number % 3], (0.9, 0.55)[number % 2])
    return round(255 * red), round(255 * green), round(255 * blue)


def _classes(label: Tensor, num_classes: int) -> Picture:
    palette = np.array([*map(class_color, range(num_classes)), UNKNOWN], np.uint8)
    known = (label != IGNORE_INDEX) & (label >= 0) & (label < num_classes)
    picture: Picture = palette[torch.where(known, label, num_classes).numpy()]
    return picture


def _stretched(depth: Tensor) -> Tensor:
    """Scale a depth map so that its smallest finite value is 0 and its largest is 1."""
    finite = depth[depth.isfinite()]
    if finite.numel() == 0:
        return depth
    low, high = float(finite.min()), float(finite.max())
    return (depth - low) / max(high - low, 1e-6)


def _bytes(values: Tensor) -> Picture:
    """Convert values ``[3, h, w]`` in [0, 1] to a picture."""
    picture: Picture = (255 * values.nan_to_num().clamp(0, 1)).round().byte().movedim(0, -1).numpy().copy()
    return picture
