"""One layer with fewer channels."""

import copy

import torch
from torch import Tensor, nn

from spaces.attention import HeadAttention
from spaces.errors import SpaceError
from spaces.layers import LayerNorm2d


def slice_layer(layer: nn.Module, out: Tensor, source: Tensor | None) -> nn.Module:
    """A copy of ``layer`` that gives the channels ``out`` and reads its inputs in the order ``source``.

    For a channel-wise or group-wise layer (norm, depthwise or grouped convolution, attention heads) the inputs
    *are* ``out``; ``source`` is not used. For a layer norm ``out`` is an order of all channels.

    Raises:
        SpaceError: the layer is of a type that cannot be sliced.
    """
    if isinstance(layer, nn.BatchNorm2d | nn.LayerNorm | LayerNorm2d):
        return _slice_norm(layer, out)
    if isinstance(layer, HeadAttention):
        return layer.select_heads(out[:: layer.head_dim] // layer.head_dim)
    if isinstance(layer, nn.Conv2d):
        return _slice_convolution(layer, out, source)
    if isinstance(layer, nn.Linear):
        sliced = copy.deepcopy(layer)
        sliced.weight = nn.Parameter(_columns(layer.weight.detach()[out], source).clone())
        sliced.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach()[out].clone())
        sliced.out_features, sliced.in_features = sliced.weight.shape
        return sliced
    raise SpaceError(f"a layer of type {type(layer).__name__} cannot be sliced by channel.")


@torch.no_grad()
def restore_layer(original: nn.Module, sliced: nn.Module, out: Tensor | None, source: Tensor | None) -> None:
    """Write the tensors of ``sliced = slice_layer(original, out, source)`` back to where they were taken from."""
    kept = dict(original.named_buffers()) | dict(original.named_parameters())
    for name, value in [*sliced.named_buffers(), *sliced.named_parameters()]:
        target, value = kept[name], value.to(kept[name].device)
        if out is None or value.dim() == 0:
            target.copy_(value)
        elif isinstance(original, HeadAttention):
            if name == "relative_position_bias_table":
                target[:, out[:: original.head_dim] // original.head_dim] = value
        elif source is not None and name == "weight":
            target[out[:, None], source] = value
        else:
            target[out] = value


def _slice_norm(layer: nn.BatchNorm2d | nn.LayerNorm | LayerNorm2d, out: Tensor) -> nn.Module:
    sliced = copy.deepcopy(layer)
    if isinstance(sliced, nn.BatchNorm2d):
        sliced.num_features = len(out)
    for name in ("weight", "bias"):
        value = getattr(layer, name)
        setattr(sliced, name, None if value is None else nn.Parameter(value.detach()[out].clone()))
    for name in ("running_mean", "running_var"):
        value = getattr(layer, name, None)
        if value is not None:
            setattr(sliced, name, value[out].clone())
    return sliced


def _slice_convolution(layer: nn.Conv2d, out: Tensor, source: Tensor | None) -> nn.Conv2d:
    """Grouped convolutions keep whole groups, so that only their number changes."""
    sliced = copy.deepcopy(layer)
    weight = layer.weight.detach()[out]
    if layer.groups == 1:
        weight = _columns(weight, source)
    sliced.weight = nn.Parameter(weight.clone())
    sliced.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach()[out].clone())
    sliced.out_channels = len(out)
    sliced.groups = 1 if layer.groups == 1 else len(out) * layer.groups // layer.out_channels
    sliced.in_channels = weight.shape[1] * sliced.groups
    return sliced


def _columns(weight: Tensor, source: Tensor | None) -> Tensor:
    return weight if source is None else weight[:, source]
