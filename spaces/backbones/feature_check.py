"""Check before any training that heads can read a backbone's features for images of the study's size."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import ERRORS_OF_FOREIGN_CODE, SpaceError, UntraceableBackboneError
from gatefront.spaces.tracing.fake_run import DEPENDENCE_ON_VALUES, describe_dependence, fake_tensors
from gatefront.spaces.tracing.module_state import restored


def check_features(backbone: nn.Module, architecture: Architecture) -> None:
    """Run the backbone on shapes alone and check the form and the sizes of its features.

    Raises:
        UntraceableBackboneError: the operations that it runs depend on the values of the image.
        SpaceError: it fails on an image of that size, gives no list of maps or vectors, or a dense task's maps
            are too small.
    """
    was_training = backbone.training
    backbone.eval()
    try:
        with restored(backbone), fake_tensors() as mode, mode, torch.no_grad():
            features = backbone(torch.zeros(1, architecture.in_channels, *architecture.input_size))
    except DEPENDENCE_ON_VALUES as error:
        raise UntraceableBackboneError(
            f"backbone {architecture.backbone!r} has control flow that depends on values: "
            f"{describe_dependence(error)}.",
            hint="Whatever the image shows, its forward must run the same operations; shapes may be asked.",
        ) from error
    except ERRORS_OF_FOREIGN_CODE as error:
        raise _failure(architecture, error) from error
    finally:
        backbone.train(was_training)
    _check_form(features, architecture)
    _check_sizes(features, architecture)


def _failure(architecture: Architecture, error: Exception) -> SpaceError:
    height, width = architecture.input_size
    reason = str(error).partition("\n")[0] or type(error).__name__
    return SpaceError(
        f"backbone {architecture.backbone!r} fails on an image of {architecture.in_channels} channels and "
        f"{height}x{width} px: {reason}",
        hint="If the image is too small for the network's strides, use larger images or, for a ResNet, "
        "network.stem = 'small'.",
    )


def _check_form(features: Any, architecture: Architecture) -> None:
    name = architecture.backbone
    if not isinstance(features, list | tuple) or not features:
        raise SpaceError(
            f"backbone {name!r} gives {describe(features)}; it must give a tensor or a list of tensors, coarsest last."
        )
    for feature in features:
        if not isinstance(feature, Tensor) or feature.ndim not in (2, 4) or feature.shape[0] != 1:
            raise SpaceError(
                f"backbone {name!r} gives {describe(features)} for one image; a feature is "
                "[batch, channels, height, width] or [batch, channels].",
                hint="Reshape tokens to a map, or average them to a vector, at the end of its forward.",
            )
        if feature.dtype is not torch.float32:
            raise SpaceError(
                f"backbone {name!r} gives features of type {str(feature.dtype).removeprefix('torch.')}; decoders read "
                "float32.",
                hint="Convert them with .float() at the end of its forward.",
            )


def _check_sizes(features: Sequence[Tensor], architecture: Architecture) -> None:
    height, width = architecture.input_size
    for feature in features:
        if feature.numel() == 0:
            raise SpaceError(
                f"backbone {architecture.backbone!r} gives an empty map {list(feature.shape)} for {height}x{width} px.",
                hint="Use larger images, or a network of smaller stride.",
            )
    dense = [task.name for task in architecture.tasks if task.is_dense]
    if not dense:
        return
    # An atrous pyramid reads the coarsest map. The other decoders need the finest one.
    read = features[-1] if architecture.decoder == "deeplab" else features[0]
    if read.ndim == 4 and read.shape[2] * read.shape[3] == 1:
        raise SpaceError(
            f"task {dense[0]} predicts every pixel of {height}x{width} px from a map of 1x1 that "
            f"{architecture.backbone!r} gives to decoder {architecture.decoder!r}.",
            hint="Use larger images, a smaller network.output_stride or, for a ResNet, network.stem = 'small'.",
        )


def describe(value: Any) -> str:
    """Return a value in few words: the shape of a tensor, the type of anything else."""
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {', '.join(describe(item) for item in value) or 'nothing'}"
    return f"a {type(value).__name__}"
