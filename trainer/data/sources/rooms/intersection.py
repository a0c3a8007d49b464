"""Intersections of rays with the room and the things in it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gatefront.trainer.data.sources.rooms.rays import Rays, rotate
from gatefront.trainer.data.sources.rooms.scene import NUM_BOXES, NUM_ROOM_SURFACES, Box, Scene, Sphere

_NEAREST_DEPTH = 0.15  # meters; things closer to the camera than this are not seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """First hit of every ray.

    ``depth`` is in meters. ``surface`` and ``face`` are numbers. All three are ``[n, pixels]``. The unit ``normal`` is
    ``[3, n, pixels]``.
    """

    depth: Tensor
    normal: Tensor
    surface: Tensor
    face: Tensor


def trace(scene: Scene, rays: Rays) -> Hits:
    """Return the nearest hit of every ray. The camera is inside the room, so every ray hits something."""
    hits = _hit_room(scene, rays)
    for number, box in enumerate(scene.boxes, NUM_ROOM_SURFACES):
        hits = _nearer(_hit_box(box, rays, number), hits)
    for number, sphere in enumerate(scene.spheres, NUM_ROOM_SURFACES + NUM_BOXES):
        hits = _nearer(_hit_sphere(sphere, rays, number), hits)
    return hits


def _nearer(thing: Hits, behind: Hits) -> Hits:
    """Return hits of the thing where it is in view and in front, else those behind it.

    Rays that miss the thing have infinite depth.
    """
    in_front = (thing.depth > _NEAREST_DEPTH) & (thing.depth < behind.depth)
    return Hits(
        depth=torch.where(in_front, thing.depth, behind.depth),
        normal=torch.where(in_front, thing.normal, behind.normal),
        surface=torch.where(in_front, thing.surface, behind.surface),
        face=torch.where(in_front, thing.face, behind.face),
    )


def _hit_room(scene: Scene, rays: Rays) -> Hits:
    """Return hits with the room from inside: of the planes that a ray heads for, the one it reaches first."""
    half_x, half_z = scene.half_size
    low = torch.stack([-half_x, torch.zeros_like(half_x), -half_z])
    high = torch.stack([half_x, scene.height, half_z])
    _entry, leave = _slab_depths(rays.origin, rays.direction, low, high)
    depth, axis = leave.min(dim=0)
    normal = _facing_normal(axis, rays.direction)
    # Surface 0 is the walls, 1 the floor, 2 the ceiling.
    floor_or_ceiling = torch.where(rays.direction[1] < 0, 1, 2)
    surface = torch.where(axis == 1, floor_or_ceiling, 0)
    return Hits(depth=depth, normal=normal, surface=surface, face=axis)


def _hit_box(box: Box, rays: Rays, number: int) -> Hits:
    """Return hits with a box by the slab method in its own axes (Kay and Kajiya, 1986)."""
    origin_x, origin_y, origin_z = rays.origin
    own_x, own_z = rotate(origin_x - box.x, origin_z - box.z, -box.angle)
    direction_x, direction_y, direction_z = rays.direction
    turned_x, turned_z = rotate(direction_x, direction_z, -box.angle)
    direction = torch.stack([turned_x, direction_y, turned_z])
    low = torch.stack([-box.half_width, torch.zeros_like(box.height), -box.half_depth])
    high = torch.stack([box.half_width, box.height, box.half_depth])
    enter, leave = _slab_depths(torch.stack([own_x, origin_y, own_z]), direction, low, high)
    depth, axis = enter.max(dim=0)
    is_met = depth < leave.amin(dim=0)
    normal_x, normal_y, normal_z = _facing_normal(axis, direction)
    normal_x, normal_z = rotate(normal_x, normal_z, box.angle)
    return Hits(
        depth=torch.where(is_met, depth, torch.inf),
        normal=torch.stack([normal_x, normal_y, normal_z]),
        surface=torch.full_like(axis, number),
        face=axis,
    )


def _hit_sphere(sphere: Sphere, rays: Rays, number: int) -> Hits:
    """Return hits at the nearer root of |origin + depth * direction - center|^2 = radius^2."""
    offset = rays.origin - sphere.centre
    a = rays.direction.square().sum(dim=0)
    half_b = (offset * rays.direction).sum(dim=0)
    c = offset.square().sum(dim=0) - sphere.radius.square()
    discriminant = half_b.square() - a * c
    depth = (-half_b - discriminant.clamp(min=0).sqrt()) / a
    depth = torch.where(discriminant > 0, depth, torch.inf)
    point = offset + torch.where(discriminant > 0, depth, 0.0) * rays.direction
    surface = torch.full_like(depth, number, dtype=torch.int64)
    # The normal is normalized, not divided by the radius, because the root loses digits far from the eye.
    return Hits(depth=depth, normal=normalize(point, dim=0), surface=surface, face=torch.zeros_like(surface))


def _slab_depths(origin: Tensor, direction: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the depths ``[3, n, pixels]`` at which a ray enters and leaves the space between two planes, per axis."""
    # A ray parallel to the planes would divide by zero.
    tiny = 1e-6
    safe = torch.where(direction.abs() < tiny, torch.full_like(direction, tiny), direction)
    to_low, to_high = (low - origin) / safe, (high - origin) / safe
    return torch.minimum(to_low, to_high), torch.maximum(to_low, to_high)


def _facing_normal(axis: Tensor, direction: Tensor) -> Tensor:
    """Return the unit normal along ``axis`` that points against the ray."""
    axes = torch.arange(3).view(3, 1, 1)
    return torch.where(axis == axes, -direction.sign(), 0.0)
