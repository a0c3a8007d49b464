"""Slicing of one layer to fewer channels."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.attention import HeadAttention
from gatefront.spaces.graph.layers import LayerNorm2d

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def slice_layer(layer: nn.Module, out: Tensor, source: Tensor | None) -> nn.Module:
    """Return a copy of ``layer`` that gives the channels ``out`` and reads its inputs in the order ``source``.

    For a channel-wise or group-wise layer (norm, depthwise or grouped convolution, attention heads) the inputs *are*
    ``out``, and ``source`` is not used. For a layer norm ``out`` is an order of all channels.

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
        return _slice_linear(layer, out, source)
    raise SpaceError(f"a layer of type {type(layer).__name__} cannot be sliced by channel.")


@torch.no_grad()
def restore_layer(original: nn.Module, sliced: nn.Module, out: Tensor | None, source: Tensor | None) -> None:
    """Write the tensors of ``sliced = slice_layer(original, out, source)`` back to their places in ``original``."""
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


def _slice_linear(layer: nn.Linear, out: Tensor, source: Tensor | None) -> nn.Linear:
    weight = _columns(layer.weight.detach()[out], source)
    sliced = nn.Linear(weight.shape[1], len(out), bias=layer.bias is not None, device="meta")
    return _with_weights(sliced, layer, weight, out)


def _slice_convolution(layer: nn.Conv2d, out: Tensor, source: Tensor | None) -> nn.Conv2d:
    """Slice a convolution. A grouped one keeps whole groups, so that only their number changes."""
    weight = layer.weight.detach()[out]
    if layer.groups == 1:
        weight = _columns(weight, source)
    groups = 1 if layer.groups == 1 else len(out) * layer.groups // layer.out_channels
    sliced = nn.Conv2d(
        weight.shape[1] * groups,
        len(out),
        layer.kernel_size,  # type: ignore[arg-type]
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        dilation=layer.dilation,  # type: ignore[arg-type]
        groups=groups,
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
        device="meta",
    )
    return _with_weights(sliced, layer, weight, out)


def _with_weights(sliced: Layer, layer: Layer, weight: Tensor, out: Tensor) -> Layer:
    """Give ``sliced`` its weights and bias.

    ``sliced`` was made without memory, only to have the right sizes. Indexing has copied the weights already.
    """
    sliced.weight = nn.Parameter(weight)
    sliced.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach()[out])
    return sliced.train(layer.training)


def _columns(weight: Tensor, source: Tensor | None) -> Tensor:
    if source is None or torch.equal(source, torch.arange(weight.shape[1])):
        return weight
    return weight[:, source]
