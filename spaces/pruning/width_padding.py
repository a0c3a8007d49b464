"""Padding of odd channel counts, for runtimes that compute in blocks of channels. Outputs stay unchanged."""

import copy
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from gatefront.spaces.pruning.plain_network import PlainNetwork
from gatefront.spaces.pruning.widened_graph import WidenedGraph

_MULTIPLE = 4
"""Number whose multiples are convenient channel counts.

ONNX Runtime has its blocked layout only for convolutions that read a multiple of four channels.
"""

_LAYERS_BY_CHANNEL = (
    nn.ReLU,
    nn.ReLU6,
    nn.SiLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
    nn.GELU,
    nn.Mish,
    nn.LeakyReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
)
_FUNCTIONS_BY_CHANNEL = (F.relu, torch.sigmoid, F.gelu, F.silu, F.adaptive_avg_pool2d, F.max_pool2d, F.interpolate)
_BETWEEN_VALUES = (operator.add, operator.sub, operator.mul)
_SPATIAL_AXES = ([2, 3], [-2, -1], [-1, -2])


def pad_widths(network: PlainNetwork, images: Tensor) -> PlainNetwork | None:
    """Return a network of the same outputs whose convolutions read multiples of four channels.

    None means that the network needs no change. The added channels meet weights of zero in every layer that reads them,
    and no selection takes them. A width stays odd if it comes from anything else than layers, selections and constants.

    Args:
        network: a network in evaluation mode.
        images: ``[batch, channels, height, width]``, which give the shapes.
    """
    body = copy.deepcopy(network.body)
    with torch.no_grad():
        ShapeProp(body).propagate(images[:1])
    graph = WidenedGraph(body)
    for group in _values_of_one_width(graph):
        width = graph.widths[group[0]]
        if width % _MULTIPLE and _can_grow(group, graph) and _meets_convolution(group, graph):
            for node in group:
                graph.widen(node, width + -width % _MULTIPLE)
    if not graph.is_changed:
        return None
    graph.mend_readers()
    return PlainNetwork(body, network.task_names)


def _values_of_one_width(graph: WidenedGraph) -> list[list[fx.Node]]:
    """Return groups of values that have equal widths because an operation by channel connects them."""
    group_of: dict[fx.Node, list[fx.Node]] = {}
    for node in graph.widths:
        group = group_of.setdefault(node, [node])
        for source in node.all_input_nodes if _carries_on(node, graph) else ():
            other = group_of[source]
            if other is not group:
                group.extend(other)
                group_of.update(dict.fromkeys(other, group))
    return list({id(group): group for group in group_of.values()}.values())


def _carries_on(node: fx.Node, graph: WidenedGraph) -> bool:
    """Return True if channel i of the result depends only on channel i of every value that the node reads."""
    if any(graph.widths.get(source) != graph.widths[node] for source in node.all_input_nodes):
        return False
    if node.op == "call_module":
        layer = graph.layer(node)
        return isinstance(layer, _LAYERS_BY_CHANNEL) or graph.is_depthwise(node)
    if node.op == "call_method":
        return node.target in ("relu", "sigmoid") or (node.target == "mean" and _is_spatial_mean(node))
    return node.op == "call_function" and node.target in (*_FUNCTIONS_BY_CHANNEL, *_BETWEEN_VALUES)


def _is_spatial_mean(node: fx.Node) -> bool:
    axes: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    return isinstance(axes, list | tuple) and list(axes) in _SPATIAL_AXES


def _can_grow(group: list[fx.Node], graph: WidenedGraph) -> bool:
    return all(_carries_on(node, graph) or graph.can_widen(node) for node in group)


def _meets_convolution(group: list[fx.Node], graph: WidenedGraph) -> bool:
    """Return True if a convolution reads one of the values as a map. On single pixels nothing is gained."""
    maps = [node for node in group if node.meta["tensor_meta"].shape[2:].numel() > 1]
    return any(graph.is_depthwise(user) or graph.is_dense(user) for node in maps for user in node.users)
