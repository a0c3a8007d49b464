"""Rendering of cloth, fog and panes of glass to one image and three label maps each.

Scenes come in batches of ``n``. Maps are ``[n, height, width]``, and numbers per scene ``[n, 1, 1]``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gatefront.trainer.data.cache.array_cache import Arrays

NUM_DIRECTIONS = 4
FORMS = ("none", "disc", "square", "triangle")

_SCENES_AT_ONCE = 256
_NUM_PIECES = 4
_NUM_PANES = 3
_NUM_WAVES = 2
_NOISE = 0.03
_EXTINCTION = 0.4
"""Share of light, per meter and as a rate, that fog replaces by its own."""

Map = NDArray[np.float64]


def render_veils(num_images: int, *, image_size: tuple[int, int], seed: list[int]) -> Arrays:
    """Render ``image`` and the labels of every task, ``[n, ...]`` at ``image_size`` ``(height, width)``."""
    rng = np.random.default_rng(seed)
    chunks = [
        _render_chunk(rng, min(_SCENES_AT_ONCE, num_images - start), image_size)
        for start in range(0, num_images, _SCENES_AT_ONCE)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _render_chunk(rng: np.random.Generator, num_images: int, image_size: tuple[int, int]) -> Arrays:
    y, x = np.mgrid[: image_size[0], : image_size[1]].astype(float)
    cloth, directions = _cloth(rng, num_images, x, y)
    depth = _fog_depth(rng, num_images, x, y)
    clear = np.exp(-_EXTINCTION * depth)
    seen = clear * cloth + (1 - clear)
    tint, forms = _panes(rng, num_images, x, y)
    image = seen * tint + _NOISE * rng.standard_normal(seen.shape)
    return {
        "image": np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)[:, None],
        "stripes": directions,
        "depth": depth.astype(np.float32)[:, None],
        "panes": forms,
    }


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Map:
    return rng.uniform(low, high, (*shape, 1, 1))


def _cloth(rng: np.random.Generator, num_images: int, x: Map, y: Map) -> tuple[Map, NDArray[np.uint8]]:
    """Return the cloth's brightness in 0..1, and the direction of its stripes: the nearest of a few pieces decides."""
    shape = (num_images, _NUM_PIECES)
    across, down = _uniform(rng, 0, x.max(), *shape), _uniform(rng, 0, y.max(), *shape)
    nearest = np.hypot(x - across, y - down).argmin(axis=1)
    direction = rng.integers(0, NUM_DIRECTIONS, (*shape, 1, 1))
    angle = direction * math.pi / NUM_DIRECTIONS + rng.normal(0, 0.1, direction.shape)
    frequency, phase = _uniform(rng, 1.1, 1.7, *shape), _uniform(rng, 0, 2 * math.pi, *shape)  # radians per pixel
    brightness, contrast = _uniform(rng, 0.25, 0.45, *shape), _uniform(rng, 0.15, 0.25, *shape)
    waves = brightness + contrast * np.sin(frequency * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    chosen = nearest[:, None]
    cloth: Map = np.take_along_axis(waves, chosen, axis=1)[:, 0]
    directions = np.take_along_axis(np.broadcast_to(direction, waves.shape), chosen, axis=1)[:, 0]
    return cloth, directions.astype(np.uint8)


def _fog_depth(rng: np.random.Generator, num_images: int, x: Map, y: Map) -> Map:
    """Return the meters of fog before the cloth, from 0.2 to 4.2: broad waves, without any edge."""
    total = np.zeros((num_images, *x.shape))
    for _ in range(_NUM_WAVES):
        angle, phase = _uniform(rng, 0, 2 * math.pi, num_images), _uniform(rng, 0, 2 * math.pi, num_images)
        frequency = _uniform(rng, 0.5, 1.3, num_images) * 2 * math.pi / max(x.shape)
        total += np.sin(frequency * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    offset = _uniform(rng, -0.5, 0.5, num_images)
    depth: Map = 2.2 + 2 * np.tanh(total / _NUM_WAVES + offset)
    return depth


def _panes(rng: np.random.Generator, num_images: int, x: Map, y: Map) -> tuple[Map, NDArray[np.uint8]]:
    """Return what the panes multiply the light by, and the form of the pane in front at each pixel, 0 for none."""
    tint, forms = np.ones((num_images, *x.shape)), np.zeros((num_images, *x.shape), np.uint8)
    unit = min(x.shape)
    for _ in range(_NUM_PANES):
        form = rng.integers(1, len(FORMS), (num_images, 1, 1))
        radius = _uniform(rng, 0.2, 0.32, num_images) * unit
        across = x - _uniform(rng, 0.1, 0.9, num_images) * x.max()
        down = y - _uniform(rng, 0.1, 0.9, num_images) * y.max()
        inside = _inside(form, across / radius, down / radius, _uniform(rng, 0, 2 * math.pi, num_images))
        shade = _uniform(rng, 0.5, 0.7, num_images)
        tint = np.where(inside, shade, tint)
        forms = np.where(inside, form, forms).astype(np.uint8)
    return tint, forms


def _inside(form: NDArray[np.int64], across: Map, down: Map, angle: Map) -> NDArray[np.bool_]:
    """Return which pixels a form of about unit radius covers, turned by ``angle``."""
    turned = np.cos(angle) * across + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * across
    disc = np.hypot(*turned) < 0.9
    square = np.maximum(np.abs(turned[0]), np.abs(turned[1])) < 0.8
    sides = [math.cos(side) * turned[0] + math.sin(side) * turned[1] for side in (0, 2 * math.pi / 3, 4 * math.pi / 3)]
    triangle = np.maximum.reduce(sides) < 0.62
    return np.select([form == 1, form == 2, form == 3], [disc, square, triangle])
