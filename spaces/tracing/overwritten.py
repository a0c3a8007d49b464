"""Values of a running trace that an in-place operation has overwritten, through memory that they share."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from gatefront.spaces.tracing.in_place import InPlaceError


class OverwrittenValues:
    """Record of the memory behind the values of a trace.

    A value that was overwritten, or that shares memory with such a value, must not be read any more. The graph holds
    the value from before the write.
    """

    def __init__(self) -> None:
        self._nodes: dict[int, list[fx.Node]] = {}
        self._alive: list[Any] = []  # keeps the memory, and with it the addresses, from being reused
        self._writers: dict[fx.Node, object] = {}

    def add(self, node: fx.Node, value: Any) -> None:
        """Record the memory of a new value."""
        self._alive.append(value)
        for address in _addresses(value):
            self._nodes.setdefault(address, []).append(node)

    def sharing(self, value: Any) -> list[fx.Node]:
        """Return the nodes whose values share memory with ``value``."""
        return [node for address in _addresses(value) for node in self._nodes.get(address, ())]

    def overwrite(self, nodes: Iterable[fx.Node], writer: object) -> None:
        """Mark values as overwritten by the in-place operation on ``writer``.

        Raises:
            InPlaceError: a parameter or a buffer is among them.
        """
        for node in nodes:
            if node.op == "get_attr":
                raise InPlaceError(f"an operation writes into {node.target}, a tensor of the module itself")
            self._writers[node] = writer

    def forget(self, node: fx.Node) -> None:
        """Let a value be read again."""
        self._writers.pop(node, None)

    def writer(self, node: fx.Node) -> object | None:
        """Return the value through which ``node`` was overwritten, or None if it was not."""
        return self._writers.get(node)

    def require_current(self, node: fx.Node) -> None:
        """Refuse to read a value that was overwritten.

        Raises:
            InPlaceError: the value was overwritten.
        """
        if node in self._writers:
            raise InPlaceError(f"{node.name} is read after an in-place operation has overwritten its memory")

    def snapshot(self) -> dict[fx.Node, object]:
        """Return the writes so far, for :meth:`restore`."""
        return dict(self._writers)

    def restore(self, snapshot: dict[fx.Node, object]) -> None:
        """Forget the writes since the snapshot, because the part of the trace that held them was discarded."""
        self._writers = dict(snapshot)


def _addresses(value: Any) -> Iterable[int]:
    return [leaf.untyped_storage()._cdata for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
