"""Layers of an encoder at the width of one branch.

Their weights start anew, because weights of another shape would mean nothing.
"""

from torch import nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.channel_rules import is_depthwise


def dense_layer(layer: nn.Module, num_inputs: int, num_outputs: int) -> nn.Module:
    """Return a convolution (not a grouped one) or linear layer like ``layer``, of other sizes."""
    if isinstance(layer, nn.Linear):
        return nn.Linear(num_inputs, num_outputs, bias=layer.bias is not None)
    if isinstance(layer, nn.Conv2d):
        return _convolution(layer, num_inputs, num_outputs, groups=1)
    raise TypeError(f"{type(layer).__name__} is no dense layer.")


def channel_wise_layer(layer: nn.Module, num_channels: int, *, name: str) -> nn.Module:
    """Return a norm or depthwise convolution like ``layer`` for ``num_channels`` channels.

    ``name`` is the layer's name in messages.

    Raises:
        SpaceError: the layer is neither.
    """
    if type(layer) is nn.BatchNorm2d:
        return nn.BatchNorm2d(
            num_channels,
            eps=layer.eps,
            momentum=layer.momentum,
            affine=layer.affine,
            track_running_stats=layer.track_running_stats,
        )
    if isinstance(layer, nn.Conv2d) and is_depthwise(layer):
        return _convolution(layer, num_channels, num_channels, groups=num_channels)
    raise SpaceError(
        f"etr-nlp cannot divide {name}, a {type(layer).__name__}, by channels.",
        hint="Choose another backbone, or another family.",
    )


def _convolution(layer: nn.Conv2d, num_inputs: int, num_outputs: int, *, groups: int) -> nn.Conv2d:
    return nn.Conv2d(
        num_inputs,
        num_outputs,
        layer.kernel_size,  # type: ignore[arg-type]
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        dilation=layer.dilation,  # type: ignore[arg-type]
        groups=groups,
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
    )
