"""timm's networks as feature extractors."""

import difflib
from typing import Any

from torch import nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.backbones.small_stem import shrink_stem
from gatefront.spaces.backbones.timm_create import create_timm_model
from gatefront.spaces.backbones.timm_import import import_timm
from gatefront.spaces.backbones.timm_strides import TimmStrides, stride_options, timm_strides
from gatefront.spaces.backbones.transformer_features import (
    NUM_MAPS,
    ChannelsFirst,
    build_swin,
    build_vit,
    evenly_spaced,
)
from gatefront.spaces.errors import SpaceError, UnknownBackboneError

_FINEST_STRIDE = 4
"""Finest stride of a map that is read. Finer maps cost a dense head more than they contribute."""
_FINEST_STRIDE_SMALL_STEM = 8
"""Finest stride behind a small stem, in strides of the default stem. For a ResNet it gives half the image's size."""

_VIT_MODULES = ("vision_transformer", "deit")
_SWIN_MODULES = ("swin_transformer",)


def build_timm_backbone(architecture: Architecture, *, own_names: tuple[str, ...]) -> nn.Module:
    """Build the timm model that the architecture names, which returns the maps its heads read, coarsest last.

    Raises:
        UnknownBackboneError: timm has no such model; the message names the nearest ones.
        SpaceError: the model offers no feature maps, no replaceable stem, not that output stride, or its
            weights cannot be had.
    """
    timm = import_timm()
    name = architecture.backbone
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*own_names, *timm.list_models()], n=3, cutoff=0.5)
        raise UnknownBackboneError(
            f"network.backbone {name!r} is neither a backbone of gatefront nor of timm {timm.__version__}.",
            hint=f"Nearest: {', '.join(near)}." if near else "`timm.list_models()` lists the names.",
        )
    model = _build(timm, architecture)
    if architecture.stem == "small":
        shrink_stem(model, name)
    return model


def _build(timm: Any, architecture: Architecture) -> nn.Module:
    name = architecture.backbone
    strides = timm_strides(name)
    options = stride_options(architecture, strides)
    if timm.models.is_model_in_modules(name, _VIT_MODULES):
        return build_vit(create_timm_model(architecture, **options), architecture)
    if timm.models.is_model_in_modules(name, _SWIN_MODULES):
        return build_swin(create_timm_model(architecture, **options), architecture)
    model: nn.Module = create_timm_model(
        architecture, features_only=True, out_indices=_levels(architecture, strides), **options
    )
    reached = model.feature_info.reduction()[-1]  # type: ignore[union-attr,operator]
    if reached != options.get("output_stride", reached):
        raise SpaceError(
            f"network.output_stride = {architecture.output_stride} has no effect on {name!r}.",
            hint="Leave output_stride out, or choose a ResNet, ResNeXt, RegNet or ConvNeXt.",
        )
    # Only feature extractors that timm cuts out of a network say so; the others give [b, c, h, w].
    return ChannelsFirst(model) if getattr(model, "output_fmt", "NCHW") == "NHWC" else model


def _levels(architecture: Architecture, strides: TimmStrides) -> tuple[int, ...]:
    """Return timm's indices of the levels that the heads read: the last for classification, several for maps.

    Maps are read from the deepest level of every stride that is not finer than ``_FINEST_STRIDE``, or than
    ``_FINEST_STRIDE_SMALL_STEM`` with a small stem. A network that keeps one stride throughout gives four maps, evenly
    spaced in depth.
    """
    last = len(strides.levels) - 1
    if not any(task.is_dense for task in architecture.tasks):
        return (last,)
    if len(set(strides.levels)) == 1:
        return tuple(evenly_spaced(last + 1, NUM_MAPS))
    finest = _FINEST_STRIDE_SMALL_STEM if architecture.stem == "small" else _FINEST_STRIDE
    deepest = {stride: index for index, stride in enumerate(strides.levels) if stride >= finest}
    return tuple(deepest.values()) or (last,)
