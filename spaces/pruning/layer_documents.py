"""Conversion of layers to plain JSON and back, with every constructor argument that decides a layer's result."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.attention import HeadAttention, WindowHeadAttention
from gatefront.spaces.graph.layers import LayerNorm2d

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)
_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm),
    nn.LocalResponseNorm,
)
_ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh),
    *(nn.Sigmoid, nn.LogSigmoid, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Hardshrink, nn.Softshrink),
    *(nn.Tanhshrink, nn.Softplus, nn.Softsign, nn.Threshold, nn.GLU, nn.Softmax, nn.Softmax2d, nn.LogSoftmax),
)
_POOLING = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.LPPool2d),
)
_SHAPES = (
    *(nn.Flatten, nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.Fold, nn.Unfold),
    *(nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d, nn.Identity),
)

LAYERS: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        *(nn.Linear, nn.Bilinear, nn.CosineSimilarity, *_CONVOLUTIONS, *_NORMS, *_ACTIVATIONS, *_POOLING, *_SHAPES),
        *(LayerNorm2d, HeadAttention, WindowHeadAttention),
    )
}
"""Layers that a plain network may hold, by their written names."""

_NOT_WRITTEN = frozenset({"self", "device", "dtype", "inplace", "min_value", "max_value", "args", "kwargs"})
"""Arguments that do not change a layer's result: its device, its use of memory, and two deprecated names."""


def layer_arguments(kind: type[nn.Module]) -> tuple[str, ...]:
    """Return the names of the constructor arguments that decide what a layer computes."""
    return tuple(name for name in inspect.signature(kind.__init__).parameters if name not in _NOT_WRITTEN)


def write_layer(name: str, layer: nn.Module) -> dict[str, Any]:
    """Return the layer's type and constructor arguments as plain JSON.

    Args:
        name: the layer's name in messages.
        layer: the layer, whose tensors are not written.

    Raises:
        SpaceError: the layer is of none of the :data:`LAYERS`.
    """
    kind = LAYERS.get(type(layer).__name__)
    if kind is not type(layer):
        raise SpaceError(
            f"layer {name} of type {type(layer).__module__}.{type(layer).__qualname__} fits no architecture.json.",
            hint="Its torch.export and ONNX files hold the network all the same.",
        )
    return {"type": kind.__name__} | {key: _to_json(_argument(layer, key)) for key in layer_arguments(kind)}


def build_layer(document: Mapping[str, Any]) -> nn.Module:
    """Return the layer that :func:`write_layer` wrote, with its own tensors.

    Raises:
        SpaceError: the type is unknown.
    """
    kind = LAYERS.get(document["type"])
    if kind is None:
        raise SpaceError(f"layer type {document['type']!r} is unknown.")
    return kind(**{key: _from_json(value) for key, value in document.items() if key != "type"})


def _argument(layer: Any, key: str) -> Any:
    if key == "bias":
        # A norm without affine parameters has no bias for that reason, whatever this argument was.
        return layer.bias is not None or getattr(layer, "weight", None) is None
    return getattr(layer, key)


def _to_json(value: Any) -> Any:
    return [_to_json(item) for item in value] if isinstance(value, list | tuple) else value


def _from_json(value: Any) -> Any:
    return tuple(_from_json(item) for item in value) if isinstance(value, list) else value
