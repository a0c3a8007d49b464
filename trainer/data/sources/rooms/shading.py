"""Lighting of the surfaces that the rays hit."""

import torch
from torch import Generator, Tensor

from gatefront.trainer.data.sources.rooms.scene import Lamp

_FALL_OFF = 0.6  # per square meter
_SENSOR_NOISE = 0.03
_GAMMA = 0.8


def shade(colour: Tensor, point: Tensor, normal: Tensor, lamp: Lamp) -> Tensor:
    """Apply Lambert's law with one point light and ambient light, without shadows. All are ``[3, n, pixels]``."""
    to_lamp = lamp.position - point
    squared_distance = to_lamp.square().sum(dim=0)
    cosine = ((to_lamp * normal).sum(dim=0) * squared_distance.rsqrt()).clamp(min=0)
    light = lamp.ambient + lamp.strength * cosine / (1 + _FALL_OFF * squared_distance)
    return colour * light * lamp.tint


def expose(light: Tensor, generator: Generator) -> Tensor:
    """Return the sensor's image of the light, with noise, clipping and a tone curve. Values are in [0, 1]."""
    noise = _SENSOR_NOISE * torch.randn(light.shape, generator=generator)
    return (light + noise).clamp(0, 1) ** _GAMMA
