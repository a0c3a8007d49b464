"""Conversion of pixels to rays, and of world directions to the camera's axes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gatefront.trainer.data.sources.rooms.scene import Camera


@dataclass(frozen=True, slots=True)
class Rays:
    """Rays: ``origin`` ``[3, n, 1]`` and ``direction`` ``[3, n, pixels]``, row by row.

    A direction's component along the optical axis is 1. The ray parameter is therefore the depth of a depth image,
    which is the distance to the image plane and not to the eye.
    """

    origin: Tensor
    direction: Tensor

    def at(self, depth: Tensor) -> Tensor:
        """Return points ``[3, n, pixels]`` at ``depth`` ``[n, pixels]``."""
        return self.origin + depth * self.direction


def cast_rays(camera: Camera, image_size: tuple[int, int]) -> Rays:
    """Return one ray through the middle of every pixel of a pinhole camera."""
    height, width = image_size
    focal_length = 0.5 * width / torch.tan(camera.field_of_view / 2)
    column = (torch.arange(width) + 0.5 - width / 2).repeat(height)
    row = (torch.arange(height) + 0.5 - height / 2).repeat_interleave(width)
    right, up = column / focal_length, -row / focal_length
    return Rays(camera.eye, _to_world(torch.stack([right, up, torch.full_like(right, -1.0)]), camera))


def _to_world(vector: Tensor, camera: Camera) -> Tensor:
    right, up, back = vector
    # Turning "up" towards "back" tips the camera upwards.
    up, back = rotate(up, back, camera.pitch)
    back, right = rotate(back, right, camera.yaw)
    return torch.stack([right, up, back])


def to_camera(vector: Tensor, camera: Camera) -> Tensor:
    """Return world directions ``[3, n, pixels]`` in the camera's axes: x right, y up, z towards the viewer."""
    right, up, back = vector
    back, right = rotate(back, right, -camera.yaw)
    up, back = rotate(up, back, -camera.pitch)
    return torch.stack([right, up, back])


def rotate(first: Tensor, second: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Turn the plane of two components by ``angle``, from the first axis towards the second."""
    cos, sin = angle.cos(), angle.sin()
    return cos * first - sin * second, sin * first + cos * second
