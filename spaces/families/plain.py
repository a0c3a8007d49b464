"""Conversion of a trained family to the plain network that bundles hold."""

import copy
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.families.network import FamilyNetwork
from gatefront.spaces.graph.channel_rules import ChannelRule
from gatefront.spaces.graph.layers import DropPath
from gatefront.spaces.networks.encoder import image_shape
from gatefront.spaces.pruning.norm_folding import fold_norms
from gatefront.spaces.pruning.plain_network import PlainNetwork
from gatefront.spaces.pruning.prune import tidy
from gatefront.spaces.tracing.trace import trace_network

_ONLY_IN_TRAINING = (nn.Identity, nn.Dropout, nn.Dropout2d, DropPath)


def plain_network(network: FamilyNetwork) -> PlainNetwork:
    """Return a network of the same function for inference.

    It consists of torch layers alone, has norms folded into convolutions, and is on the CPU.

    Raises:
        UntraceableBackboneError: a decoder has control flow that depends on values.
    """
    trained = copy.deepcopy(network).cpu().eval()
    architecture = network.architecture
    traced = trace_network(_InTaskOrder(trained), image_shape(architecture), name=type(network).__name__)
    plain = _flatten_names(traced)
    fold_norms(plain)
    tidy(plain)
    return PlainNetwork(plain, architecture.task_names)


class _InTaskOrder(nn.Module):
    def __init__(self, network: FamilyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(images).values())


def _flatten_names(traced: fx.GraphModule) -> fx.GraphModule:
    """Return the same graph with layers named as their nodes.

    A value that is computed from parameters alone becomes a constant.
    """
    root, graph = nn.Module(), fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    constants = _constants(traced)
    for node in traced.graph.nodes:
        if node in constants:
            if any(user not in constants for user in node.users):
                known[node] = graph.get_attr(_register(root, node, constants[node], traced))
        elif node.op != "call_module":
            known[node] = graph.node_copy(node, known.__getitem__)
        elif isinstance(layer := traced.get_submodule(str(node.target)), _ONLY_IN_TRAINING):
            known[node] = known[node.all_input_nodes[0]]
        else:
            # A copy per call: a layer that all tasks use may be folded with a norm once per use.
            root.add_module(node.name, copy.deepcopy(layer))
            arguments = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = graph.call_module(node.name, *arguments)
    return fx.GraphModule(root, graph).eval()


def _register(root: nn.Module, node: fx.Node, value: Tensor, traced: fx.GraphModule) -> str:
    """Register a constant in ``root`` and return its name.

    A constant that is computed from a parameter becomes a parameter, so that it is counted as one.
    """
    # Not the node's own name, which may be that of an attribute of every module: `half`, `to`.
    name = f"{node.name}__constant"
    if _comes_of_parameter(node, traced):
        root.register_parameter(name, nn.Parameter(value, requires_grad=value.is_floating_point()))
    else:
        root.register_buffer(name, value)
    return name


def _comes_of_parameter(node: fx.Node, traced: fx.GraphModule) -> bool:
    if node.op == "get_attr":
        return isinstance(operator.attrgetter(str(node.target))(traced), nn.Parameter)
    return any(_comes_of_parameter(source, traced) for source in node.all_input_nodes)


def _constants(traced: fx.GraphModule) -> dict[fx.Node, Tensor]:
    """Return the nodes that are computed from parameters alone, with their values.

    A parameter that is expanded to the batch depends on the images, too.
    """
    interpreter = fx.Interpreter(traced)
    values: dict[fx.Node, Any] = {}
    with torch.no_grad():
        for node in traced.graph.nodes:
            if node.meta["rule"] is ChannelRule.PARAMETER and all(one in values for one in node.all_input_nodes):
                interpreter.env = values
                values[node] = interpreter.run_node(node).detach().clone()
    return values
