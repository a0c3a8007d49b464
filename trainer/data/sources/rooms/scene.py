"""Contents of a room: walls, camera, boxes, spheres, a lamp, and the materials of surfaces.

Scenes come in batches of ``n``. A number per scene is ``[n, 1]`` and a vector per scene ``[3, n, 1]``, so both
broadcast over the pixels of ``[n, pixels]`` and ``[3, n, pixels]``. World axes are x to the right, y up, z towards the
viewer. Lengths are in meters, angles in radians.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

NUM_BOXES = 3
NUM_SPHERES = 3
NUM_ROOM_SURFACES = 3  # walls, floor, ceiling
NUM_SURFACES = NUM_ROOM_SURFACES + NUM_BOXES + NUM_SPHERES
NUM_THING_PATTERNS = 4  # plain, stripes, checker, dots
NUM_ROOM_PATTERNS = 3  # plain, faint stripes, faint tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Camera at ``eye`` that looks along -z, turned by ``yaw`` about y and ``pitch`` about x."""

    eye: Tensor
    yaw: Tensor
    pitch: Tensor
    field_of_view: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Box on the floor at ``x, z``, turned by ``angle`` about y."""

    x: Tensor
    z: Tensor
    half_width: Tensor
    height: Tensor
    half_depth: Tensor
    angle: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Sphere:
    centre: Tensor
    radius: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """Point light. ``tint`` is its color."""

    position: Tensor
    ambient: Tensor
    strength: Tensor
    tint: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Per surface of each scene: pattern and spatial frequency ``[n, surfaces]``, two colors ``[3, n, surfaces]``.

    Patterns have consecutive numbers: first those of things, then those of the room itself.
    """

    pattern: Tensor
    frequency: Tensor
    colour: Tensor
    second_colour: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Room that spans ``±half_size[0]`` in x, ``0..height`` in y and ``±half_size[1]`` in z."""

    half_size: tuple[Tensor, Tensor]
    height: Tensor
    camera: Camera
    boxes: tuple[Box, ...]
    spheres: tuple[Sphere, ...]
    lamp: Lamp
    surfaces: Surfaces


class _Dice:
    """Random numbers for ``n`` scenes at once from one generator."""

    def __init__(self, num_scenes: int, generator: Generator) -> None:
        self._num_scenes = num_scenes
        self._generator = generator

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw uniform numbers, ``[n, 1]`` unless ``shape`` is given."""
        drawn = torch.rand(shape or (self._num_scenes, 1), generator=self._generator)
        return low + (high - low) * drawn

    def choice(self, low: int, high: int, count: int) -> Tensor:
        """Draw whole numbers in ``low..high - 1``, ``[n, count]``."""
        return torch.randint(low, high, (self._num_scenes, count), generator=self._generator)


def sample_scene(num_scenes: int, generator: Generator) -> Scene:
    """Draw ``num_scenes`` rooms."""
    dice = _Dice(num_scenes, generator)
    half_size, height = (dice.uniform(1.6, 3.2), dice.uniform(2.0, 3.5)), dice.uniform(2.2, 3.2)
    return Scene(
        half_size=half_size,
        height=height,
        camera=_sample_camera(dice, half_size),
        boxes=tuple(_sample_box(dice, half_size) for _ in range(NUM_BOXES)),
        spheres=tuple(_sample_sphere(dice, half_size) for _ in range(NUM_SPHERES)),
        lamp=_sample_lamp(dice, half_size, height),
        surfaces=_sample_surfaces(dice, num_scenes),
    )


def _sample_camera(dice: _Dice, half_size: tuple[Tensor, Tensor]) -> Camera:
    # The camera is at one end of the room, at the height of a sitting or standing person, and looks down its length.
    half_x, half_z = half_size
    eye = torch.stack([dice.uniform(-0.5, 0.5) * half_x, dice.uniform(1.0, 1.7), dice.uniform(0.6, 0.95) * half_z])
    return Camera(
        eye=eye, yaw=dice.uniform(-0.5, 0.5), pitch=dice.uniform(-0.45, 0.05), field_of_view=dice.uniform(0.9, 1.2)
    )


def _sample_box(dice: _Dice, half_size: tuple[Tensor, Tensor]) -> Box:
    return Box(
        x=dice.uniform(-0.8, 0.8) * half_size[0],
        z=dice.uniform(-0.9, 0.2) * half_size[1],
        half_width=dice.uniform(0.2, 0.6),
        height=dice.uniform(0.3, 1.5),
        half_depth=dice.uniform(0.2, 0.6),
        angle=dice.uniform(0, math.pi),
    )


def _sample_sphere(dice: _Dice, half_size: tuple[Tensor, Tensor]) -> Sphere:
    radius = dice.uniform(0.18, 0.5)
    floats = dice.uniform(0, 1) < 0.4  # two in five hover, the others lie on the floor
    y = radius + torch.where(floats, dice.uniform(0, 1.2), torch.zeros_like(radius))
    centre = torch.stack([dice.uniform(-0.8, 0.8) * half_size[0], y, dice.uniform(-0.9, 0.3) * half_size[1]])
    return Sphere(centre=centre, radius=radius)


def _sample_lamp(dice: _Dice, half_size: tuple[Tensor, Tensor], height: Tensor) -> Lamp:
    half_x, half_z = half_size
    position = torch.stack(
        [dice.uniform(-0.7, 0.7) * half_x, dice.uniform(0.75, 0.97) * height, dice.uniform(-0.5, 0.7) * half_z]
    )
    tint = dice.uniform(0.75, 1.0, 3, len(height), 1)
    return Lamp(position=position, ambient=dice.uniform(0.25, 0.45), strength=dice.uniform(1.2, 2.6), tint=tint)


def _sample_surfaces(dice: _Dice, num_scenes: int) -> Surfaces:
    room = dice.choice(NUM_THING_PATTERNS, NUM_THING_PATTERNS + NUM_ROOM_PATTERNS, NUM_ROOM_SURFACES)
    things = dice.choice(0, NUM_THING_PATTERNS, NUM_BOXES + NUM_SPHERES)
    shape = (num_scenes, NUM_SURFACES)
    colour = dice.uniform(0.15, 1.0, 3, *shape)
    # Half the patterns are two shades of one color, half are two colors.
    shade = colour * dice.uniform(0.2, 0.7, *shape)
    second_colour = torch.where(dice.uniform(0, 1, *shape) < 0.5, shade, dice.uniform(0.1, 1.0, 3, *shape))
    return Surfaces(
        pattern=torch.cat([room, things], dim=1),
        frequency=dice.uniform(5.0, 9.0, *shape),
        colour=colour,
        second_colour=second_colour,
    )
