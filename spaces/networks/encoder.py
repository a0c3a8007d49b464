"""Encoder, the part that is lifted: a backbone as an annotated graph at its width, and a shared decoder's trunk."""

import copy
import functools
import logging
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.backbones import build_backbone, create_backbone, use_plain_modules
from gatefront.spaces.backbones.registry import OWN_BACKBONES
from gatefront.spaces.decoders import build_trunk
from gatefront.spaces.errors import ERRORS_OF_FOREIGN_CODE, SpaceError, UntraceableBackboneError
from gatefront.spaces.graph.channel_rules import ChannelRule
from gatefront.spaces.graph.opaque import list_opaque_operations
from gatefront.spaces.graph.width_scaling import scale_width, set_widths
from gatefront.spaces.networks.equivalence import (
    NUM_IMAGES,
    calibrate_norms,
    randomize,
    require_equal,
    require_independent_images,
)
from gatefront.spaces.networks.passed_comparisons import has_passed, record_passed
from gatefront.spaces.tracing.trace import trace_network

logger = logging.getLogger(__name__)


def build_encoder(architecture: Architecture) -> fx.GraphModule:
    """Build, trace and scale ``images [b, c, h, w] -> list of features``.

    With ``share_decoder`` the trunk of the dense decoder follows the backbone, and its result is the only feature. The
    traced backbone is compared with the backbone itself, unless that has passed before with the same code.

    Raises:
        UnknownBackboneError, UntraceableBackboneError, SpaceError: see the functions it calls.
    """
    backbone = _build_scaled_backbone(architecture)
    _require_channels_first(backbone, _name(architecture))
    if not architecture.share_decoder:
        return backbone
    # After scaling: the width multiplier is the backbone's alone, as in the published capacity study.
    whole = BackboneWithTrunk(backbone, build_trunk(architecture, feature_shapes(backbone)))
    return trace_network(whole, image_shape(architecture), name=f"{_name(architecture)} with its decoder")


def encoder_features(encoder: fx.GraphModule) -> list[fx.Node]:
    """Return the nodes whose values the encoder gives to decoders."""
    output = next(node for node in reversed(encoder.graph.nodes) if node.op == "output")
    return list(tree_leaves(output.args[0]))


def feature_shapes(encoder: fx.GraphModule) -> list[torch.Size]:
    """Return the shapes of the encoder's features for one image, as tracing found them."""
    return [torch.Size((1, *node.meta["shape"][1:])) for node in encoder_features(encoder)]


def _require_channels_first(encoder: fx.GraphModule, name: str) -> None:
    for number, node in enumerate(encoder_features(encoder), 1):
        if node.meta["rule"] is ChannelRule.PARAMETER:
            raise UntraceableBackboneError(
                f"feature {number} of {name} is the same for all images: no layer computes it from them.",
                hint="Leave it out, or add it to a feature that is computed.",
            )
        if node.meta["channel_axis"] != 1:
            raise UntraceableBackboneError(
                f"feature {number} of {name} has its channels on axis {node.meta['channel_axis']} of "
                f"{list(node.meta['shape'])}, where they must be on axis 1.",
                hint="Permute it to [batch, channels, height, width] at the end of the backbone's forward.",
            )


def image_shape(architecture: Architecture) -> tuple[int, int, int]:
    """Return ``(channels, height, width)`` of the architecture's images."""
    return (architecture.in_channels, *architecture.input_size)


class BackboneWithTrunk(nn.Module):
    """Module ``images -> [hidden]``: the part that all dense tasks can share up to their last layer."""

    def __init__(self, backbone: nn.Module, trunk: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.trunk = trunk

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.trunk(self.backbone(images))]


class ResizedInput(nn.Module):
    """Backbone ``images -> features`` that works at ``size``, ``(height, width)``, for images of any size."""

    def __init__(self, backbone: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.size = size

    def forward(self, images: Tensor) -> list[Tensor]:
        resized = F.interpolate(images, size=self.size, mode="bilinear", align_corners=False)
        features: list[Tensor] = self.backbone(resized)
        return features


def _build_scaled_backbone(architecture: Architecture) -> fx.GraphModule:
    backbone = build_backbone(replace(architecture, input_size=architecture.working_size, resolution=1.0))
    _require_equal_to_original(_of_backbone_alone(architecture))
    if architecture.resolution != 1.0:
        backbone = ResizedInput(backbone, architecture.working_size)
    traced = trace_network(backbone, image_shape(architecture), name=_name(architecture))
    opaque = list_opaque_operations(traced)
    if opaque:
        names = ", ".join(operation.name for operation in opaque)
        logger.info("%s: opaque operations, never pruned inside: %s", _name(architecture), names)
    has_trained_weights = architecture.pretrained or architecture.weights is not None
    if architecture.layer_widths is not None:
        scaled = set_widths(traced, architecture.layer_widths, keep_largest=has_trained_weights)
    elif architecture.width == 1.0 or architecture.backbone in OWN_BACKBONES:
        return traced
    else:
        scaled = scale_width(traced, architecture.width, keep_largest=has_trained_weights)
    return trace_network(scaled, image_shape(architecture), name=_name(architecture))


def _of_backbone_alone(architecture: Architecture) -> Architecture:
    """Return the architecture without all that does not decide how its backbone is traced."""
    is_dense = any(task.is_dense for task in architecture.tasks)
    kind = "depth" if is_dense else "classification"
    return Architecture(
        backbone=architecture.backbone,
        tasks=(Task(name="task", kind=kind, num_outputs=1),),  # type: ignore[arg-type]
        in_channels=architecture.in_channels,
        input_size=architecture.working_size,
        stem=architecture.stem,
        output_stride=architecture.output_stride,
    )


@functools.lru_cache(maxsize=64)
def _require_equal_to_original(architecture: Architecture) -> None:
    """Compare backbone and traced form with random weights, both without the width multiplier."""
    with torch.random.fork_rng(devices=[]):  # a cached result must leave the same random state
        if has_passed(architecture):
            return
        try:
            _compare_with_original(architecture)
        except SpaceError:
            raise
        except ERRORS_OF_FOREIGN_CODE as error:
            reason = (str(error).partition("\n")[0] or type(error).__name__).rstrip(".")
            raise UntraceableBackboneError(
                f"{_name(architecture)} fails on {NUM_IMAGES} random images in training or evaluation mode: {reason}.",
                hint="Its forward must run in both modes, for any images of the study's size.",
            ) from error
        record_passed(architecture)


def _compare_with_original(architecture: Architecture) -> None:
    original = create_backbone(architecture)
    generator = torch.Generator().manual_seed(0)
    randomize(original, generator)
    calibrate_norms(original, torch.randn(NUM_IMAGES, *image_shape(architecture), generator=generator), generator)
    rewritten = _twin(original, architecture)
    use_plain_modules(rewritten)
    traced = trace_network(rewritten, image_shape(architecture), name=_name(architecture))
    require_equal(original, traced, image_shape(architecture), name=_name(architecture))
    require_independent_images(original, image_shape(architecture), name=_name(architecture))


def _twin(original: nn.Module, architecture: Architecture) -> nn.Module:
    """Return the same backbone made anew, with the same weights.

    A copy would have hooks that refer to the original, because torch copies them so.
    """
    twin = create_backbone(architecture)
    found = dict(original.named_parameters(remove_duplicate=False)) | dict(original.named_buffers())
    with torch.no_grad():
        for key, value in [*twin.named_parameters(remove_duplicate=False), *twin.named_buffers()]:
            if key not in found or found[key].shape != value.shape:
                return copy.deepcopy(original)  # its author makes it differently each time
            value.copy_(found[key])
    return twin.train(original.training)


def _name(architecture: Architecture) -> str:
    return f"backbone {architecture.backbone!r}"
