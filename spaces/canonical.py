"""One spelling per operation in a traced graph: arithmetic as operators, reshapes with their sizes."""

import operator

import torch
from torch import fx, nn

_ARITHMETIC = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}
_RESHAPE_METHODS = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"}
_RESHAPE_FUNCTIONS = {torch.reshape, torch.flatten, torch.unflatten, torch.squeeze, torch.unsqueeze}


def spell_arithmetic(graph: fx.Graph) -> None:
    """Replace arithmetic that is spelled as a method or a function of torch by an operator, in place."""
    for node in graph.nodes:
        name = node.target if node.op == "call_method" else getattr(node.target, "__name__", None)
        is_torch = node.op == "call_method" or getattr(torch, str(name), None) is node.target
        if is_torch and name in _ARITHMETIC and len(node.args) == 2 and not node.kwargs:
            node.op, node.target = "call_function", _ARITHMETIC[name]


def spell_reshapes(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Replace every reshape by ``torch.reshape(x, sizes)``, with -1 for the batch, in place.

    Needs ``meta["batched_shapes"]``: every node's shape for both batch sizes of the trace.
    """
    for node in list(graph.nodes):
        if not _is_reshape(node, modules):
            continue
        first, second = node.meta["batched_shapes"]
        sizes = tuple(-1 if size != other else size for size, other in zip(first, second, strict=True))
        with graph.inserting_before(node):
            spelled = graph.call_function(torch.reshape, (node.all_input_nodes[0], sizes))
        spelled.meta.update(node.meta)
        node.replace_all_uses_with(spelled)
        graph.erase_node(node)


def is_reshape(node: fx.Node) -> bool:
    """True for the one spelling of a reshape."""
    return node.op == "call_function" and node.target is torch.reshape


def _is_reshape(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.Flatten | nn.Unflatten)
    if node.op == "call_method":
        return node.target in _RESHAPE_METHODS
    return node.op == "call_function" and node.target in _RESHAPE_FUNCTIONS
