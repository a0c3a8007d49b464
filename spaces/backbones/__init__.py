"""Backbones: gatefront's own small one and every convolutional network of timm."""

from spaces.backbones.registry import build_backbone

__all__ = ["build_backbone"]
