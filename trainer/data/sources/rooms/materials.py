"""Colors of surfaces before lighting: two colors, mixed by a pattern in space."""

import torch
from torch import Tensor

from gatefront.trainer.data.sources.rooms.intersection import Hits
from gatefront.trainer.data.sources.rooms.scene import Surfaces


def surface_colour(surfaces: Surfaces, hits: Hits, point: Tensor) -> Tensor:
    """Return RGB ``[3, n, pixels]`` at ``point`` ``[3, n, pixels]``."""
    pattern = surfaces.pattern.gather(1, hits.surface)
    mix = _pattern_mix(pattern, point * surfaces.frequency.gather(1, hits.surface))
    where = hits.surface.expand(3, -1, -1)
    return torch.lerp(surfaces.colour.gather(2, where), surfaces.second_colour.gather(2, where), mix)


def _pattern_mix(pattern: Tensor, point: Tensor) -> Tensor:
    """Return the share of the second color, 0..1. ``point`` is in periods of the pattern.

    The patterns fill space, so that spheres need no texture coordinates.
    """
    diagonal = point.sum(dim=0)
    faint = 0.5
    by_pattern = torch.stack(
        [
            torch.zeros_like(diagonal),  # plain thing
            _stripes(diagonal),
            _checker(point, 2.2),
            _dots(point),
            torch.zeros_like(diagonal),  # plain wall, floor or ceiling
            faint * _stripes(0.7 * point[0]),
            faint * _checker(point, 4.0),
        ]
    )
    return by_pattern.gather(0, pattern[None])[0]


def _stripes(phase: Tensor) -> Tensor:
    return (phase.sin() > 0).float()


def _checker(point: Tensor, size: float) -> Tensor:
    return (torch.floor(point / size).sum(dim=0) % 2 == 0).float()


def _dots(point: Tensor) -> Tensor:
    return (point.sin().prod(dim=0).square() > 0.18).float()
