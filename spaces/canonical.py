"""One spelling per operation in a traced graph: out of place, reshapes with their sizes, batch sizes left open."""

import operator
from typing import Any

import torch
from torch import fx, nn

from spaces.concrete_tracer import BATCH

_OUT_OF_PLACE = {
    operator.iadd: operator.add,
    operator.imul: operator.mul,
    operator.isub: operator.sub,
    operator.itruediv: operator.truediv,
}
_ARITHMETIC = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}
_RESHAPE_METHODS = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"}
_RESHAPE_FUNCTIONS = {torch.reshape, torch.flatten, torch.unflatten, torch.squeeze, torch.unsqueeze}


def spell_out_of_place(graph: fx.Graph) -> None:
    """In-place functions and methods become their out-of-place twins: several branches read one value.

    Arithmetic spelled as a method or a function of torch becomes an operator.
    """
    for node in graph.nodes:
        if node.op == "call_function":
            node.target = _OUT_OF_PLACE.get(node.target, node.target)
            if node.kwargs.get("inplace") is True:
                node.kwargs = {**node.kwargs, "inplace": False}
        elif node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__"):
            node.target = node.target.removesuffix("_")
        name = node.target if node.op == "call_method" else getattr(node.target, "__name__", None)
        is_torch = node.op == "call_method" or getattr(torch, str(name), None) is node.target
        if is_torch and name in _ARITHMETIC and len(node.args) == 2 and not node.kwargs:
            node.op, node.target = "call_function", _ARITHMETIC[name]


def open_batch_size(traced: fx.GraphModule) -> bool:
    """Every reshape becomes ``torch.reshape(x, sizes)`` with -1 for the batch; other batch sizes are read off.

    True if the graph changed. Needs ``meta["batched_shape"]``: every node's shape at the trace's batch size.
    """
    modules = dict(traced.named_modules())
    graph = traced.graph
    images = next(node for node in graph.nodes if node.op == "placeholder")
    before = list(graph.nodes)
    for node in before:
        if _is_reshape(node, modules):
            sizes = tuple(-1 if size % BATCH == 0 else size for size in node.meta["batched_shape"])
            with graph.inserting_before(node):
                spelled = graph.call_function(torch.reshape, (node.all_input_nodes[0], sizes))
            node.replace_all_uses_with(spelled)
            graph.erase_node(node)
        elif node.op not in ("placeholder", "output"):
            _read_batch_sizes(node, images)
    graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    return list(graph.nodes) != before


def is_reshape(node: fx.Node) -> bool:
    """True for the one spelling of a reshape."""
    return node.op == "call_function" and node.target is torch.reshape


def _is_reshape(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.Flatten | nn.Unflatten)
    if node.op == "call_method":
        return node.target in _RESHAPE_METHODS
    return node.op == "call_function" and node.target in _RESHAPE_FUNCTIONS


def _read_batch_sizes(node: fx.Node, images: fx.Node) -> None:
    graph = node.graph

    def opened(argument: Any) -> Any:
        if not isinstance(argument, int) or argument == 0 or argument % BATCH:
            return argument
        with graph.inserting_before(node):
            size = graph.call_method("size", (images, 0))
            factor = argument // BATCH
            return size if factor == 1 else graph.call_function(operator.mul, (size, factor))

    node.args = fx.node.map_aggregate(node.args, opened)
    node.kwargs = fx.node.map_aggregate(node.kwargs, opened)
