"""Explicit task routing: a traced encoder rewritten so that every value is a shared part and one part per task."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.network import PER_TASK
from gatefront.spaces.families.primitives import PrimitiveBank
from gatefront.spaces.families.routed_layers import channel_wise_layer, dense_layer
from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.graph.channel_axis import operation_name
from gatefront.spaces.graph.channel_groups import is_flattening
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands
from gatefront.spaces.networks.task_modules import TaskModules, position_keys

_SHARED, _PLAIN = "shared", "plain"


@dataclass(frozen=True, slots=True)
class _Parts:
    """Value in streams: the part common to all tasks, then each task's own part.

    A value that no layer has divided, such as the images, has one stream only.
    """

    nodes: tuple[fx.Node, ...]
    num_shared: int = 0
    num_own: int = 0

    def of(self, stream: int) -> fx.Node:
        """Return the part of stream 0, the shared one, or of a task's stream. A number is the same in all streams."""
        return self.nodes[stream] if stream < len(self.nodes) else self.nodes[0]

    def width(self, stream: int) -> int:
        return self.num_own if stream else self.num_shared


def route_encoder(encoder: fx.GraphModule, task_names: Sequence[str], gamma: float, *, name: str) -> fx.GraphModule:
    """Return ``images -> (features of task 1, .., features of task T)`` in which tasks share a part of every layer.

    A layer of C channels shares ``floor(gamma C)`` of them. Its shared branch reads shared channels alone, and a task's
    branch reads those and its own. Convolutions over a neighborhood become a bank of primitives and a 1x1 convolution,
    except those that read the images. Weights are below ``shared`` and ``tasks.<position>``. ``name`` is the encoder's
    name in messages.

    Raises:
        SpaceError: the encoder has an operation that cannot be divided by channels.
    """
    return _Router(encoder, task_names, gamma, name).write()


class _Router:
    def __init__(self, encoder: fx.GraphModule, task_names: Sequence[str], gamma: float, name: str) -> None:
        self._encoder = encoder
        self._owners = (_SHARED, *(f"{PER_TASK}.{key}" for key in position_keys(task_names).values()))
        self._gamma = gamma
        self._name = name
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._root.add_module(_SHARED, nn.Module())
        self._root.add_module(_PLAIN, nn.Module())
        self._root.add_module(PER_TASK, TaskModules(task_names, {task: nn.Module() for task in task_names}))
        self._parts: dict[fx.Node, _Parts] = {}

    def write(self) -> fx.GraphModule:
        *nodes, output = self._encoder.graph.nodes
        for node in nodes:
            self._parts[node] = self._route(node)
        features = []
        for task in range(1, len(self._owners)):
            whole = {node: self._join(node, self._parts[node], task) for node in output.all_input_nodes}
            features.append(fx.node.map_arg(output.args[0], whole.__getitem__))
        self._graph.output(tuple(features))
        return fx.GraphModule(self._root, self._graph)

    def _route(self, node: fx.Node) -> _Parts:
        if node.op == "placeholder" or not node.meta["has_tensor"]:
            copied = self._graph.node_copy(node, lambda source: self._parts[source].of(0))
            return _Parts((copied,), num_channels(node) or 0)
        if node.meta["rule"] is ChannelRule.DENSE:
            return self._route_dense(node)
        if node.meta["rule"] is ChannelRule.CHANNEL_WISE and operation_name(node) != "expand":
            return self._route_channel_wise(node)
        if _is_concatenation(node):
            return self._route_concatenation(node)
        if is_flattening(node):
            return self._route_flattening(node)
        raise SpaceError(
            f"etr-nlp cannot divide {node.name} of {self._name} by channels.",
            hint="Choose a convolutional backbone without grouped convolutions and layer norms, or another family.",
        )

    def _route_dense(self, node: fx.Node) -> _Parts:
        layer = self._encoder.get_submodule(str(node.target))
        source = self._parts[node.all_input_nodes[0]]
        num_shared = self._divide(node)
        num_own = (num_channels(node) or 0) - num_shared
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1) and len(source.nodes) > 1:
            bank = PrimitiveBank(layer)
            views = self._on_every_stream(node, source, bank)
            source = _Parts(views, bank.num_views * source.num_shared, bank.num_views * source.num_own)
            layer = nn.Conv2d(layer.in_channels, layer.out_channels, 1, bias=layer.bias is not None)
        shared = dense_layer(layer, source.num_shared, num_shared)
        nodes = [self._call(_SHARED, node, shared, source.of(0))]
        for task, owner in enumerate(self._owners[1:], start=1):
            own = dense_layer(layer, source.num_shared + source.num_own, num_own)
            nodes.append(self._call(owner, node, own, self._join(node.all_input_nodes[0], source, task)))
        return _Parts(tuple(nodes), num_shared, num_own)

    def _route_channel_wise(self, node: fx.Node) -> _Parts:
        operands = [self._parts[operand] for operand in tensor_operands(node)]
        first = operands[0]
        if any((o.num_shared, o.num_own) != (first.num_shared, first.num_own) for o in operands):
            raise SpaceError(
                f"etr-nlp cannot divide {node.name} of {self._name}: its operands are divided in other places.",
                hint="Choose another backbone, or another family.",
            )
        if node.op != "call_module":
            nodes = tuple(self._copy(node, stream, first.width(stream)) for stream in range(len(first.nodes)))
            return _Parts(nodes, first.num_shared, first.num_own)
        layer = self._encoder.get_submodule(str(node.target))
        if not any(True for _ in (*layer.parameters(), *layer.buffers())):
            return _Parts(self._on_every_stream(node, first, layer), first.num_shared, first.num_own)
        nodes = tuple(
            self._call(owner, node, channel_wise_layer(layer, first.width(stream), name=node.name), first.of(stream))
            for stream, owner in enumerate(self._owners[: len(first.nodes)])
        )
        return _Parts(nodes, first.num_shared, first.num_own)

    def _route_concatenation(self, node: fx.Node) -> _Parts:
        operands = [self._parts[operand] for operand in tensor_operands(node)]
        nodes = tuple(self._copy(node, stream, None) for stream in range(max(len(o.nodes) for o in operands)))
        return _Parts(nodes, sum(o.num_shared for o in operands), sum(o.num_own for o in operands))

    def _route_flattening(self, node: fx.Node) -> _Parts:
        source = node.all_input_nodes[0]
        parts, (height, width) = self._parts[source], source.meta["batched_shape"][2:]
        nodes = tuple(self._graph.call_function(torch.flatten, (part, 1)) for part in parts.nodes)
        return _Parts(nodes, parts.num_shared * height * width, parts.num_own * height * width)

    def _divide(self, node: fx.Node) -> int:
        """Return the number of a layer's shared channels: at least one, and at least one fewer than all."""
        channels = num_channels(node) or 0
        if channels < 2:
            raise SpaceError(
                f"etr-nlp cannot divide {node.name} of {self._name}: it has one channel.",
                hint="Use a larger width, or another backbone.",
            )
        return min(max(1, int(self._gamma * channels)), channels - 1)

    def _join(self, node: fx.Node, parts: _Parts, task: int) -> fx.Node:
        """Return all channels of a value that a task reads, the shared ones first."""
        if len(parts.nodes) == 1:
            return parts.of(0)
        axis = node.meta["channel_axis"]
        return self._graph.call_function(torch.cat, ([parts.of(0), parts.of(task)], axis))

    def _copy(self, node: fx.Node, stream: int, num_channels: int | None) -> fx.Node:
        copied = self._graph.node_copy(node, lambda source: self._parts[source].of(stream))
        if is_reshape(node) and num_channels is not None:
            sizes = list(copied.args[1])  # type: ignore[arg-type]
            sizes[node.meta["channel_axis"]] = num_channels
            copied.args = (copied.args[0], tuple(sizes))
        return copied

    def _on_every_stream(self, node: fx.Node, source: _Parts, layer: nn.Module) -> tuple[fx.Node, ...]:
        """Call one layer without parameters on every stream."""
        self._root.get_submodule(_PLAIN).add_module(node.name, layer)
        return tuple(self._graph.call_module(f"{_PLAIN}.{node.name}", (part,)) for part in source.nodes)

    def _call(self, owner: str, node: fx.Node, layer: nn.Module, read: fx.Node) -> fx.Node:
        self._root.get_submodule(owner).add_module(node.name, layer)
        return self._graph.call_module(f"{owner}.{node.name}", (read,))


def _is_concatenation(node: fx.Node) -> bool:
    """Return True for a concatenation along the channels."""
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    return node.target in (torch.cat, torch.concat) and all(
        operand.meta["channel_axis"] == dim for operand in tensor_operands(node)
    )
