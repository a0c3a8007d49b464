"""PlainGraphBuilder: the writer of the pruned network's nodes, which tracks the position of every channel."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands
from gatefront.spaces.graph.layer_slicing import slice_layer
from gatefront.spaces.graph.layers import DropPath

_DROPOUTS = (nn.Dropout, nn.Dropout2d, DropPath)


@dataclass(frozen=True, slots=True)
class Value:
    """Node of the plain graph.

    ``order`` lists the original channels that it carries, in their present order. It is None if the value has no
    channels.
    """

    node: fx.Node
    order: Tensor | None


@dataclass(frozen=True, slots=True)
class LayerCut:
    """Layer ``name`` of the plain graph, which is ``original`` cut to ``out`` and ``source`` (None: uncut)."""

    name: str
    original: nn.Module
    out: Tensor | None
    source: Tensor | None


@dataclass(frozen=True, slots=True)
class TensorCut:
    """Tensor ``name`` of the plain graph, which holds the entries ``order`` (None: all) of ``original`` on ``axis``."""

    name: str
    original: Tensor
    axis: int
    order: Tensor | None


class PlainGraphBuilder:
    """Builder that emits the live part of one branch after another into one plain graph.

    Channels may be in any order in between. A dense layer's weight columns are permuted instead of the value, so that
    combining own and shared channels costs only a concatenation. With ``trainable`` the graph keeps what only training
    needs. ``cuts`` records the origin of each of its tensors.
    """

    def __init__(self, *, trainable: bool = False) -> None:
        self.graph = fx.Graph()
        self.root = nn.Module()
        self.cuts: list[LayerCut | TensorCut] = []
        self._trainable = trainable
        self._num_constants = 0
        self._known: dict[tuple[Any, ...], fx.Node] = {}

    def images(self, num_image_channels: int) -> Value:
        return Value(self.graph.placeholder("images"), torch.arange(num_image_channels))

    def emit(
        self,
        node: fx.Node,
        name: str,
        owner: nn.Module,
        live: Tensor,
        sources: dict[fx.Node, Value],
        order: Tensor | None = None,
    ) -> Value:
        """Emit ``node`` with its ``live`` channels. ``owner`` holds the layers and parameters that it names.

        A dense layer gives the channels in the order of ``order``, if it is given.
        """
        rule = node.meta["rule"]
        if rule is ChannelRule.CHANNEL_WISE:
            return self._emit_channel_wise(node, name, owner, live, sources)
        if rule is ChannelRule.DENSE:
            source = sources[node.all_input_nodes[0]]
            out = live.nonzero().flatten() if order is None else order
            layer = self._cut_layer(name, owner.get_submodule(str(node.target)), out, source.order)
            return Value(self._call_layer(name, layer, (source.node,), {}), out)
        if rule is ChannelRule.GROUP_WISE:
            return self._emit_group_wise(node, name, owner, live, sources)
        if rule is ChannelRule.ACROSS:
            source = sources[node.all_input_nodes[0]]
            order = torch.arange(len(live)) if source.order is None else source.order
            layer = self._cut_layer(name, owner.get_submodule(str(node.target)), order)
            return Value(self._call_layer(name, layer, (source.node,), {}), order)
        if rule is ChannelRule.PARAMETER and node.meta["channel_axis"] is not None:
            return self._emit_parameter(node, name, owner, live, sources)
        inputs = {source: self.in_natural_order(source, sources[source]) for source in node.all_input_nodes}
        channels = num_channels(node)
        return Value(self._call(node, name, owner, inputs, None), None if channels is None else torch.arange(channels))

    def restrict(self, value: Value, wanted: Tensor, axis: int) -> Value:
        """Return only the channels of the bool mask ``wanted``, in their present order."""
        if value.order is None or bool(wanted[value.order].all()):
            return value
        return self.select(value, wanted[value.order].nonzero().flatten(), axis)

    def arrange(self, value: Value, order: Tensor, axis: int) -> Value:
        """Return exactly the channels of ``order``, in that order."""
        if value.order is None or torch.equal(value.order, order):
            return value
        position = torch.full((int(max(value.order.max(), order.max())) + 1,), -1)
        position[value.order] = torch.arange(len(value.order))
        return self.select(value, position[order], axis)

    def concatenate(self, values: list[Value], axis: int) -> Value:
        """Return all channels of all values, one value after the other."""
        if len(values) == 1:
            return values[0]
        order = torch.cat([value.order for value in values if value.order is not None])
        nodes = [value.node for value in values]
        return Value(self._once(("cat", *nodes), torch.cat, (nodes, axis)), order)

    def call(self, function: Any, *args: Any) -> fx.Node:
        return self.graph.call_function(function, args)

    def constant(self, value: Tensor) -> fx.Node:
        """Add a buffer of the plain network and return its node."""
        name = f"constant_{self._num_constants}"
        self._num_constants += 1
        self.root.register_buffer(name, value)
        return self.graph.get_attr(name)

    def _emit_channel_wise(
        self, node: fx.Node, name: str, owner: nn.Module, live: Tensor, sources: dict[fx.Node, Value]
    ) -> Value:
        operands = tensor_operands(node)
        first = next(operand for operand in operands if operand.meta["rule"] is not ChannelRule.PARAMETER)
        lead = self.restrict(sources[first], live, _axis(first))
        order = torch.arange(len(live)) if lead.order is None else lead.order
        aligned = {source: sources[source].node for source in node.all_input_nodes}
        for operand in operands:
            aligned[operand] = self.arrange(sources[operand], order, _axis(operand)).node
        aligned[first] = lead.node
        return Value(self._call(node, name, owner, aligned, order), order)

    def _emit_group_wise(
        self, node: fx.Node, name: str, owner: nn.Module, live: Tensor, sources: dict[fx.Node, Value]
    ) -> Value:
        """Emit whole groups only, in their original order and inner order."""
        size = node.meta["group_size"]
        out = live.view(-1, size).any(dim=1).repeat_interleave(size).nonzero().flatten()
        aligned = {o: self.arrange(sources[o], out, _axis(o)).node for o in node.all_input_nodes}
        layer = self._cut_layer(name, owner.get_submodule(str(node.target)), out)
        args = fx.node.map_arg(node.args, aligned.__getitem__)
        return Value(self._call_layer(name, layer, args, fx.node.map_arg(node.kwargs, aligned.__getitem__)), out)

    def _emit_parameter(
        self, node: fx.Node, name: str, owner: nn.Module, live: Tensor, sources: dict[fx.Node, Value]
    ) -> Value:
        """Emit a tensor of the backbone, cut along its channels, or a reshape that carries the cut on."""
        order = live.nonzero().flatten()
        if node.op == "get_attr":
            return Value(self._parameter(name, _tensor(owner, str(node.target)), _axis(node), order), order)
        aligned = {o: self.arrange(sources[o], order, _axis(o)).node for o in node.all_input_nodes}
        return Value(self._call(node, name, owner, aligned, order), order)

    def in_natural_order(self, source: fx.Node, value: Value) -> fx.Node:
        """Return all channels of ``source`` in their original order."""
        if value.order is None:
            return value.node
        return self.arrange(value, torch.arange(num_channels(source) or 0), _axis(source)).node

    def _call(
        self, node: fx.Node, name: str, owner: nn.Module, inputs: dict[fx.Node, fx.Node], order: Tensor | None
    ) -> fx.Node:
        """Emit the node's own operation on emitted inputs. Without parameters it is emitted once for equal inputs."""
        args: Any = fx.node.map_arg(node.args, inputs.__getitem__)
        kwargs: Any = fx.node.map_arg(node.kwargs, inputs.__getitem__)
        if node.op == "get_attr":
            return self._parameter(name, _tensor(owner, str(node.target)), 0, None)
        if is_reshape(node) and order is not None:
            sizes = list(args[1])
            sizes[_axis(node)] = len(order)
            args = (args[0], tuple(sizes))
        if node.op == "call_module":
            module = owner.get_submodule(str(node.target))
            if isinstance(module, nn.Identity) or (isinstance(module, _DROPOUTS) and not self._trainable):
                return inputs[node.all_input_nodes[0]]
            if any(True for _ in module.parameters()) or any(True for _ in module.buffers()):
                return self._call_layer(name, self._cut_layer(name, module, order), args, kwargs)
        key = (node, *inputs.values())
        if key not in self._known:
            if node.op == "call_module":
                layer = copy.deepcopy(owner.get_submodule(str(node.target)))
                self._known[key] = self._call_layer(name, layer, args, kwargs)
            else:
                self._known[key] = self.graph.create_node(node.op, node.target, args, kwargs)
        return self._known[key]

    def _call_layer(self, name: str, layer: nn.Module, args: Any, kwargs: Any) -> fx.Node:
        self.root.add_module(name, layer)
        return self.graph.call_module(name, args, kwargs)

    def _cut_layer(self, name: str, original: nn.Module, out: Tensor | None, source: Tensor | None = None) -> nn.Module:
        self.cuts.append(LayerCut(name, original, out, source))
        return copy.deepcopy(original) if out is None else slice_layer(original, out, source)

    def _parameter(self, name: str, original: Tensor, axis: int, order: Tensor | None) -> fx.Node:
        self.cuts.append(TensorCut(name, original, axis, order))
        value = original.detach() if order is None else original.detach().index_select(axis, order)
        if isinstance(original, nn.Parameter):
            self.root.register_parameter(name, nn.Parameter(value.clone()))
        else:
            self.root.register_buffer(name, value.clone())
        return self.graph.get_attr(name)

    def select(self, value: Value, positions: Tensor, axis: int) -> Value:
        """Return the channels at ``positions``. A contiguous run of them is a slice."""
        order = None if value.order is None else value.order[positions]
        key = ("select", value.node, tuple(positions.tolist()))
        start, count = int(positions[0]), len(positions)
        if torch.equal(positions, torch.arange(start, start + count)):
            return Value(self._once(key, torch.narrow, (value.node, axis, start, count)), order)
        if key not in self._known:
            self._known[key] = self.call(torch.index_select, value.node, axis, self.constant(positions))
        return Value(self._known[key], order)

    def _once(self, key: tuple[Any, ...], function: Any, args: tuple[Any, ...]) -> fx.Node:
        if key not in self._known:
            self._known[key] = self.call(function, *args)
        return self._known[key]


def _axis(node: fx.Node) -> int:
    axis: int | None = node.meta["channel_axis"]
    return 1 if axis is None else axis


def _tensor(owner: nn.Module, target: str) -> Tensor:
    path, _, attribute = target.rpartition(".")
    value: Tensor = getattr(owner.get_submodule(path), attribute)
    return value
