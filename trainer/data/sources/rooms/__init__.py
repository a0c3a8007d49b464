"""`rooms`: ray-cast rooms with boxes and spheres, labeled per pixel: classes, depth, normals and edges."""

from gatefront.trainer.data.sources.rooms.source import describe, load

__all__ = ["describe", "load"]
