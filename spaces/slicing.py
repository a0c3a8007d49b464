"""One layer with fewer channels."""

import copy

from torch import Tensor, nn

from spaces.channels import is_depthwise
from spaces.errors import SpaceError


def slice_layer(layer: nn.Module, out: Tensor, source: Tensor | None) -> nn.Module:
    """A copy of ``layer`` that gives the channels ``out`` and reads its inputs in the order ``source``.

    For a channel-wise layer (norm, depthwise convolution) the inputs *are* ``out``; ``source`` is not used.

    Raises:
        SpaceError: the layer is of a type that cannot be sliced.
    """
    if isinstance(layer, nn.BatchNorm2d):
        return _slice_norm(layer, out)
    if isinstance(layer, nn.Conv2d):
        return _slice_convolution(layer, out, source)
    if isinstance(layer, nn.Linear):
        sliced = copy.deepcopy(layer)
        sliced.weight = nn.Parameter(_columns(layer.weight.detach()[out], source).clone())
        sliced.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach()[out].clone())
        sliced.out_features, sliced.in_features = sliced.weight.shape
        return sliced
    raise SpaceError(f"a layer of type {type(layer).__name__} cannot be sliced by channel.")


def _slice_norm(layer: nn.BatchNorm2d, out: Tensor) -> nn.BatchNorm2d:
    sliced = copy.deepcopy(layer)
    sliced.num_features = len(out)
    for name in ("weight", "bias"):
        value = getattr(layer, name)
        setattr(sliced, name, None if value is None else nn.Parameter(value.detach()[out].clone()))
    for name in ("running_mean", "running_var"):
        value = getattr(layer, name)
        setattr(sliced, name, None if value is None else value[out].clone())
    return sliced


def _slice_convolution(layer: nn.Conv2d, out: Tensor, source: Tensor | None) -> nn.Conv2d:
    sliced = copy.deepcopy(layer)
    weight = layer.weight.detach()[out]
    sliced.weight = nn.Parameter((weight if is_depthwise(layer) else _columns(weight, source)).clone())
    sliced.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach()[out].clone())
    sliced.out_channels = len(out)
    sliced.in_channels = len(out) if is_depthwise(layer) else sliced.weight.shape[1]
    sliced.groups = len(out) if is_depthwise(layer) else 1
    return sliced


def _columns(weight: Tensor, source: Tensor | None) -> Tensor:
    return weight if source is None else weight[:, source]
