"""Decoders from the backbone's features to one task's prediction, with one file per form."""

from gatefront.spaces.decoders.registry import build_decoder, build_trunk

__all__ = ["build_decoder", "build_trunk"]
