"""The encoder: a backbone as an annotated graph at the asked width."""

import torch
from torch import Tensor, fx

from spaces.architecture import Architecture
from spaces.backbones import build_backbone
from spaces.backbones.registry import OWN_BACKBONES
from spaces.tracing import trace_network
from spaces.width import scale_width


def build_encoder(architecture: Architecture) -> fx.GraphModule:
    """Build, trace and scale the backbone: ``images [b, c, h, w] -> list of features``.

    Raises:
        UnknownBackboneError, UntraceableBackboneError, SpaceError: see the functions it calls.
    """
    backbone = build_backbone(architecture)
    name = f"backbone {architecture.backbone!r}"
    traced = trace_network(backbone, [example_images(architecture)], name=name)
    if architecture.width == 1.0 or architecture.backbone in OWN_BACKBONES:
        return traced
    scaled = scale_width(traced, architecture.width, keep_largest=architecture.pretrained)
    return trace_network(scaled, [example_images(architecture)], name=name)


def example_images(architecture: Architecture) -> Tensor:
    """One black image of the architecture's size: ``[1, channels, height, width]``."""
    return torch.zeros(1, architecture.in_channels, *architecture.input_size)


def example_features(encoder: fx.GraphModule, architecture: Architecture) -> list[Tensor]:
    """What the encoder gives for :func:`example_images`: the shapes a head is built for."""
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        features: list[Tensor] = list(encoder(example_images(architecture)))
    encoder.train(was_training)
    return features
