"""Values and costs of nodes from one run on fake tensors, for later runs of a graph that has changed little."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

_Call = tuple[str, Any, tuple[Any, ...], dict[str, Any]]


class Evaluations:
    """Record of what nodes gave and cost. It holds for a node that still calls the same with the same arguments.

    A run on fake tensors takes a millisecond per node, and rewriting a graph leaves most of its nodes unchanged.
    """

    def __init__(self) -> None:
        self._found: dict[fx.Node, tuple[_Call, Any, int]] = {}

    def note(self, node: fx.Node, value: Any, flops: int) -> None:
        """Record the value of a node and its cost, as it calls now."""
        self._found[node] = _call(node), value, flops

    def find(self, node: fx.Node) -> tuple[Any, int] | None:
        """Return ``(value, flops)``, or None for a node that is new or has changed."""
        call, value, flops = self._found.get(node, (None, None, 0))
        return None if call is None or not _is_same(call, _call(node)) else (value, flops)

    def is_alike(self, node: fx.Node, value: Any) -> bool:
        """Return True if the recorded value of a node, which may have changed since, has the shapes and types given."""
        return node in self._found and _form(self._found[node][1]) == _form(value)

    def of_twins(self, twins: Iterable[tuple[fx.Node, fx.Node]]) -> "Evaluations":
        """Return the record of another graph, from pairs ``(node of it, the same node of this one)``."""
        moved = Evaluations()
        for node, twin in twins:
            found = self.find(twin)
            if found is not None:
                moved.note(node, *found)
        return moved


def _call(node: fx.Node) -> _Call:
    return node.op, node.target, node.args, node.kwargs


def _is_same(call: _Call, other: _Call) -> bool:
    """Compare by identity: torch.fx gives a node new arguments when it changes one, and some cannot be compared."""
    return call[0] == other[0] and all(one is another for one, another in zip(call[1:], other[1:], strict=True))


def _form(value: Any) -> list[Any]:
    leaves = tree_leaves(value)
    return [(leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
