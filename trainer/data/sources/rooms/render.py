"""Rendering of rooms to arrays: one image and four label maps each."""

import numpy as np
import torch
from torch import Generator, Tensor

from gatefront.trainer.data.cache.array_cache import Arrays
from gatefront.trainer.data.sources.rooms.intersection import Hits, trace
from gatefront.trainer.data.sources.rooms.materials import surface_colour
from gatefront.trainer.data.sources.rooms.rays import cast_rays, to_camera
from gatefront.trainer.data.sources.rooms.scene import NUM_ROOM_SURFACES, Scene, sample_scene
from gatefront.trainer.data.sources.rooms.shading import expose, shade

CLASS_NAMES = ("wall", "floor", "ceiling", "plain thing", "striped thing", "checkered thing", "dotted thing")

_SCENES_AT_ONCE = 64


def render_rooms(num_images: int, *, image_size: tuple[int, int], seed: int) -> Arrays:
    """Render ``image`` and the labels of every task, ``[n, ...]`` at ``image_size`` ``(height, width)``.

    Normals are along the camera's axes: x right, y up, z towards the viewer. Depth is in meters along the optical axis.
    An edge is a pixel whose neighbor to the right or below shows another face.
    """
    generator = torch.Generator().manual_seed(seed)
    chunks = [
        _render_chunk(min(_SCENES_AT_ONCE, num_images - start), image_size, generator)
        for start in range(0, num_images, _SCENES_AT_ONCE)
    ]
    return {name: np.concatenate([chunk[name].numpy() for chunk in chunks]) for name in chunks[0]}


def _render_chunk(num_images: int, image_size: tuple[int, int], generator: Generator) -> dict[str, Tensor]:
    scene = sample_scene(num_images, generator)
    rays = cast_rays(scene.camera, image_size)
    hits = trace(scene, rays)
    point = rays.at(hits.depth)
    light = shade(surface_colour(scene.surfaces, hits, point), point, hits.normal, scene.lamp)
    return {
        "image": _as_maps((255 * expose(light, generator)).round().to(torch.uint8), image_size),
        "semseg": _classes(scene, hits).view(-1, *image_size),
        "depth": _as_maps(hits.depth[None], image_size),
        "normals": _as_maps(to_camera(hits.normal, scene.camera), image_size),
        "edges": _edges(hits, image_size),
    }


def _as_maps(values: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Reshape ``[channels, n, pixels]`` to ``[n, channels, height, width]``."""
    return values.transpose(0, 1).reshape(values.shape[1], values.shape[0], *image_size)


def _classes(scene: Scene, hits: Hits) -> Tensor:
    """Return classes. Walls, floor and ceiling are separate classes, and a thing's class is its pattern."""
    pattern = scene.surfaces.pattern.gather(1, hits.surface)
    is_room = hits.surface < NUM_ROOM_SURFACES
    return torch.where(is_room, hits.surface, NUM_ROOM_SURFACES + pattern).to(torch.uint8)


def _edges(hits: Hits, image_size: tuple[int, int]) -> Tensor:
    face = (3 * hits.surface + hits.face).view(-1, *image_size)
    edges = torch.zeros_like(face, dtype=torch.bool)
    edges[:, :-1] |= face[:, 1:] != face[:, :-1]
    edges[:, :, :-1] |= face[:, :, 1:] != face[:, :, :-1]
    return edges[:, None].to(torch.uint8)
