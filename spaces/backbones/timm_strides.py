"""Strides of timm's networks, and the options of timm that give an output stride."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from gatefront.spaces.architecture.architecture import OUTPUT_STRIDES, Architecture
from gatefront.spaces.backbones.small_stem import small_stem_factor
from gatefront.spaces.backbones.timm_import import import_timm
from gatefront.spaces.errors import SpaceError


@dataclass(frozen=True, slots=True)
class TimmStrides:
    """Strides of one timm model with its default stem.

    ``levels`` holds the stride of every feature level that timm knows of, finest first. A level's position is timm's
    index for it. ``small_stem_factor`` is the factor by which a small stem divides the strides. It is 1 if the stem
    cannot be replaced.
    """

    levels: tuple[int, ...]
    small_stem_factor: int


@lru_cache(maxsize=64)
def timm_strides(name: str) -> TimmStrides:
    """Return the strides of an untrained model of that name.

    Raises:
        SpaceError: timm knows no feature maps of this model.
    """
    with torch.random.fork_rng(devices=[]):  # whether the answer is cached must not change anyone's weights
        try:
            probe: Any = import_timm().create_model(name, features_only=True)
            # All levels: those that timm hands out by default leave out the first of some networks, the last of others.
            levels = tuple(int(level["reduction"]) for level in probe.feature_info.info)
        except (RuntimeError, AttributeError, AssertionError, TypeError, KeyError) as error:
            raise SpaceError(
                f"network.backbone {name!r} gives no feature maps: {error or type(error).__name__}",
                hint="Choose another network of timm, or wrap it: network.backbone = 'package.module:factory'.",
            ) from error
    return TimmStrides(levels=levels, small_stem_factor=small_stem_factor(probe))


def stride_options(architecture: Architecture, strides: TimmStrides) -> dict[str, int]:
    """Return the options for timm that give ``architecture.output_stride``.

    They are empty if none is asked for, or if the network has this stride by itself.

    Raises:
        SpaceError: the network's own stride is finer than the one asked for.
    """
    asked = architecture.output_stride
    factor = strides.small_stem_factor if architecture.stem == "small" else 1
    own = strides.levels[-1] // factor
    if asked is None or asked == own:
        return {}
    if asked > own or asked * factor not in OUTPUT_STRIDES:
        stem = " with its small stem" if factor > 1 else ""
        raise SpaceError(
            f"network.output_stride = {asked} cannot be had of {architecture.backbone!r}{stem}, whose stride is {own}.",
            hint=f"Leave output_stride out, or ask for {own} or less.",
        )
    return {"output_stride": asked * factor}
