"""How each kind of graph node treats channels: the visible table that lifting, costing and pruning share."""

import operator
from enum import Enum
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn


class ChannelRule(Enum):
    """What an output channel of a node depends on."""

    INPUT = "input"
    """The images, or a feature handed to a head: nothing is computed."""
    DENSE = "dense"
    """Every output channel reads all input channels; output channels can be left out (convolution, linear)."""
    CHANNEL_WISE = "channel-wise"
    """Output channel c reads channel c of every operand alone (norm, activation, pooling, depthwise, add, mul)."""
    OPAQUE = "opaque"
    """Anything else: needs all input channels and gives all output channels. Always right, less prunable."""
    OUTPUT = "output"
    """Hands its inputs out."""


CHANNEL_WISE_MODULES: tuple[type[nn.Module], ...] = (
    nn.BatchNorm2d,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SiLU,
    nn.GELU,
    nn.Mish,
    nn.Tanh,
    nn.Sigmoid,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)

RESHAPING_MODULES: tuple[type[nn.Module], ...] = (nn.Flatten,)
"""Opaque by nature and free of cost: nothing inside them could be pruned, so no log line names them."""

CHANNEL_WISE_FUNCTIONS: frozenset[Any] = frozenset(
    {
        operator.add,
        operator.sub,
        operator.mul,
        torch.add,
        torch.mul,
        torch.relu,
        torch.sigmoid,
        torch.tanh,
        F.relu,
        F.relu6,
        F.silu,
        F.gelu,
        F.hardswish,
        F.hardsigmoid,
        F.sigmoid,
        F.dropout,
        F.max_pool2d,
        F.avg_pool2d,
        F.adaptive_avg_pool2d,
        F.interpolate,
    }
)

CHANNEL_WISE_METHODS: frozenset[str] = frozenset(
    {"relu", "sigmoid", "tanh", "clamp", "contiguous", "add", "mul", "mean"}
)


def channel_rule(node: fx.Node, modules: dict[str, nn.Module]) -> ChannelRule:
    """The rule of one node; needs the shapes that :mod:`spaces.tracing` leaves in ``node.meta``."""
    if node.op == "placeholder":
        return ChannelRule.INPUT
    if node.op == "output":
        return ChannelRule.OUTPUT
    if node.op == "call_module":
        return _module_rule(node, modules[str(node.target)])
    if node.op == "call_function" and node.target in CHANNEL_WISE_FUNCTIONS:
        return _elementwise_rule(node)
    if node.op == "call_method" and node.target in CHANNEL_WISE_METHODS:
        return _mean_rule(node) if node.target == "mean" else _elementwise_rule(node)
    return ChannelRule.OPAQUE


def channel_axis(shape: torch.Size | None) -> int | None:
    """Where channels are: axis 1 of ``[b, c, h, w]`` and ``[b, c]``, axis 2 of tokens ``[b, n, c]``."""
    return None if shape is None else {2: 1, 3: 2, 4: 1}.get(len(shape))


def num_channels(node: fx.Node) -> int | None:
    """Channels of the node's value, or None if it is no tensor with a channel axis."""
    shape = node.meta["shape"]
    axis = channel_axis(shape)
    return None if axis is None else int(shape[axis])


def is_depthwise(module: nn.Module) -> bool:
    """True for a convolution whose output channel c reads input channel c alone."""
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels > 1


def _module_rule(node: fx.Node, module: nn.Module) -> ChannelRule:
    if isinstance(module, nn.Conv2d):
        if type(module) is not nn.Conv2d or (module.groups > 1 and not is_depthwise(module)):
            return ChannelRule.OPAQUE
        return ChannelRule.CHANNEL_WISE if is_depthwise(module) else ChannelRule.DENSE
    if type(module) is nn.Linear and len(node.meta["shape"]) in (2, 3):
        return ChannelRule.DENSE
    if type(module) in CHANNEL_WISE_MODULES and channel_axis(node.meta["shape"]) == 1:
        return _elementwise_rule(node)
    return ChannelRule.OPAQUE


def _elementwise_rule(node: fx.Node) -> ChannelRule:
    """Channel-wise only if every operand is a computed tensor with as many axes and channels as the result."""
    for operand in node.all_input_nodes:
        same_axes = operand.meta["shape"] is not None and len(operand.meta["shape"]) == len(node.meta["shape"] or ())
        if operand.op == "get_attr" or not same_axes or num_channels(operand) != num_channels(node):
            return ChannelRule.OPAQUE
    return ChannelRule.CHANNEL_WISE if num_channels(node) is not None else ChannelRule.OPAQUE


def _mean_rule(node: fx.Node) -> ChannelRule:
    """A mean over height and width that keeps both axes; any other mean moves or merges channels."""
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    keeps = (node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)) is True
    spatial = isinstance(dims, list | tuple) and {d % 4 for d in dims if isinstance(d, int)} == {2, 3}
    return _elementwise_rule(node) if keeps and spatial else ChannelRule.OPAQUE
