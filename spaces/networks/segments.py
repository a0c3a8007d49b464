"""Run of a traced network in segments. The backward pass keeps their ends and computes the rest again."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, fx, nn

from gatefront.spaces.networks.activation_checkpointing import recompute_in_backward

_LAYERS_PER_SEGMENT = 6


@dataclass(frozen=True, slots=True)
class Segment:
    """Nodes that run together. ``given`` are values from before, and ``kept`` are values that are read behind."""

    nodes: tuple[fx.Node, ...]
    given: tuple[fx.Node, ...]
    kept: tuple[fx.Node, ...]
    layers: tuple[nn.Module, ...]


class SegmentedRun:
    """Callable with the graph's own result for ``images``, computed in segments.

    Segments are cut where the fewest values pass from one to the next.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        self._traced = traced
        *nodes, self._output = traced.graph.nodes
        self._images = next(node for node in nodes if node.op == "placeholder")
        inner = [node for node in nodes if node.op != "placeholder"]
        self._segments = [_describe(traced, part) for part in _split(inner)]

    def __call__(self, images: Tensor) -> Any:
        values: dict[fx.Node, Any] = {self._images: images}
        for segment in self._segments:
            found = recompute_in_backward(partial(self._run, segment, values), segment.layers)
            values |= dict(zip(segment.kept, found, strict=True))
        return fx.node.map_arg(self._output.args[0], values.__getitem__)

    def __deepcopy__(self, memo: dict[int, Any]) -> "SegmentedRun":
        # A copied graph has its own nodes.
        return SegmentedRun(copy.deepcopy(self._traced, memo))

    def _run(self, segment: Segment, values: dict[fx.Node, Any]) -> tuple[Any, ...]:
        interpreter = fx.Interpreter(self._traced)
        interpreter.env = {node: values[node] for node in segment.given}
        for node in segment.nodes:
            interpreter.env[node] = interpreter.run_node(node)
        return tuple(interpreter.env[node] for node in segment.kept)


def _split(nodes: Sequence[fx.Node]) -> list[Sequence[fx.Node]]:
    """Halve the nodes, near the middle where the fewest values are alive, until a part has few layers."""
    if sum(node.op == "call_module" for node in nodes) <= _LAYERS_PER_SEGMENT:
        return [nodes]
    alive = _count_alive(nodes)
    quarter = len(nodes) // 4
    cut = min(range(quarter + 1, len(nodes) - quarter), key=lambda place: (alive[place], abs(2 * place - len(nodes))))
    return [*_split(nodes[:cut]), *_split(nodes[cut:])]


def _count_alive(nodes: Sequence[fx.Node]) -> list[int]:
    """Return for each place the number of earlier values that are still to be read.

    Place i lies before the node of index i.
    """
    position = {node: index for index, node in enumerate(nodes)}
    changes = [0] * (len(nodes) + 2)
    for node, index in position.items():
        last = max((position.get(user, len(nodes)) for user in node.users), default=index)
        changes[index + 1] += 1
        changes[last + 1] -= 1
    alive, total = [], 0
    for change in changes:
        total += change
        alive.append(total)
    return alive


def _describe(traced: fx.GraphModule, nodes: Sequence[fx.Node]) -> Segment:
    own = set(nodes)
    given = dict.fromkeys(source for node in nodes for source in node.all_input_nodes if source not in own)
    kept = tuple(node for node in nodes if any(user not in own for user in node.users))
    layers = tuple(traced.get_submodule(str(node.target)) for node in nodes if node.op == "call_module")
    return Segment(tuple(nodes), tuple(given), kept, layers)
