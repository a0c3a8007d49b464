"""Backbones: gatefront's own, timm's networks, and modules of the user's own."""

from gatefront.spaces.backbones.registry import build_backbone, create_backbone, use_plain_modules

__all__ = ["build_backbone", "create_backbone", "use_plain_modules"]
