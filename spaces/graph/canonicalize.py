"""Unification of a traced graph's spelling: arithmetic as operators, reshapes and expansions with their sizes."""

import operator
from typing import Any

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

    Needs ``meta["batched_shapes"]``, every node's shape for both batch sizes of the trace, and ``meta["has_tensor"]``.
    """
    for node in list(graph.nodes):
        if not _is_reshape(node, modules):
            continue
        first, second = node.meta["batched_shapes"]
        sizes = tuple(-1 if size != other else size for size, other in zip(first, second, strict=True))
        with graph.inserting_before(node):
            source = next(source for source in node.all_input_nodes if source.meta["has_tensor"])
            spelled = graph.call_function(torch.reshape, (source, sizes))
        spelled.meta.update(node.meta)
        node.replace_all_uses_with(spelled)
        graph.erase_node(node)


def spell_expansions(graph: fx.Graph) -> None:
    """Write -1 for every size that an expansion keeps, in place, so that pruning may leave out channels there.

    Needs ``meta["batched_shape"]``.
    """
    for node in graph.nodes:
        if node.op == "call_method" and node.target == "expand":
            after = node.meta["batched_shape"]
            before = (None,) * len(after) + node.all_input_nodes[0].meta["batched_shape"]
            kept = [-1 if old == new else new for old, new in zip(before[-len(after) :], after, strict=True)]
            sizes = _flat(node.args[1:]) or list(node.kwargs["size"])
            # A batch size that is read from the images stays where the batch axis is made.
            node.args = (node.args[0], *(-1 if keep == -1 else size for keep, size in zip(kept, sizes, strict=True)))
            node.kwargs = {}


def _flat(arguments: Any) -> list[Any]:
    return list(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], list | tuple) else list(arguments)


def is_reshape(node: fx.Node) -> bool:
    """Return True for the one spelling of a reshape."""
    return node.op == "call_function" and node.target is torch.reshape


def _is_reshape(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.Flatten | nn.Unflatten)
    if node.op == "call_method":
        is_cast = any(isinstance(value, torch.dtype) for value in (*node.args, *node.kwargs.values()))  # view(dtype)
        return node.target in _RESHAPE_METHODS and not is_cast
    return node.op == "call_function" and node.target in _RESHAPE_FUNCTIONS
