"""WidenedGraph: a plain graph in which values get more channels, and in which their readers are adapted."""

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn


class WidenedGraph:
    """Plain graph with known shapes. Channels are added at a value's end, so that its own keep their places.

    ``widths`` holds the original number of channels of every value ``[batch, channels, height, width]``. :meth:`widen`
    changes the node that makes a value. :meth:`mend_readers` then changes everything that reads a widened one.
    """

    def __init__(self, body: fx.GraphModule) -> None:
        self._body = body
        self._layers = dict(body.named_modules())
        self.widths = {node: int(node.meta["tensor_meta"].shape[1]) for node in body.graph.nodes if _has_channels(node)}
        self._num_uses: dict[str, int] = {}
        for node in body.graph.nodes:
            self._num_uses[str(node.target)] = self._num_uses.get(str(node.target), 0) + 1
        self._widened: dict[fx.Node, int] = {}

    @property
    def is_changed(self) -> bool:
        return bool(self._widened)

    def layer(self, node: fx.Node) -> nn.Module | None:
        return self._layers.get(str(node.target)) if node.op == "call_module" else None

    def is_dense(self, node: fx.Node) -> bool:
        layer = self._own_convolution(node)
        return layer is not None and layer.groups == 1

    def is_depthwise(self, node: fx.Node) -> bool:
        layer = self._own_convolution(node)
        return layer is not None and 1 < layer.groups == layer.in_channels == layer.out_channels

    def can_widen(self, node: fx.Node) -> bool:
        """Return True if the node makes its channels one by one: a dense layer, a selection, or its own constant."""
        if node.op == "get_attr":
            return self._num_uses[str(node.target)] == 1 and len(_buffer(self._body, node)) == 1
        return self.is_dense(node) or _is_selection(node)

    def widen(self, node: fx.Node, width: int) -> None:
        """Give the node's value ``width`` channels. A node that only passes channels on is noted, not changed."""
        extra = width - self.widths[node]
        layer = self._own_convolution(node)
        if layer is not None:
            self._set_layer(node, _with_more_outputs(layer, extra))
        elif node.op == "get_attr":
            value = _buffer(self._body, node)
            filling = value.new_zeros(1, extra, *value.shape[2:])
            self._body.register_buffer(str(node.target), torch.cat([value, filling], dim=1))
        elif _is_selection(node):
            positions = self._positions(node)
            self._set_positions(node, torch.cat([positions, positions[-1:].expand(extra)]))
        self._widened[node] = width

    def mend_readers(self) -> None:
        """Change everything that reads a widened value, so that it reads the same channels as before."""
        for node in list(self._body.graph.nodes):
            if node.target is torch.cat:
                self._mend_concatenation(node)
                continue
            for source in node.all_input_nodes:
                if source in self._widened and (node not in self._widened or self._reads_by_position(node)):
                    self._mend_reader(node, source, torch.arange(self.widths[source]), self._widened[source])
        self._body.graph.lint()
        self._body.recompile()

    def _mend_concatenation(self, node: fx.Node) -> None:
        operands: Any = node.args[0]
        if not any(operand in self._widened for operand in operands):
            return
        if node.args[1:] != (1,) or not all(self._reads_by_position(user) for user in node.users):
            node.args = ([self._narrowed(operand, node) for operand in operands], *node.args[1:])
            return
        kept, start = [], 0
        for operand in operands:
            kept.append(start + torch.arange(self.widths[operand]))
            start += self._widened.get(operand, self.widths[operand])
        for user in list(node.users):
            self._mend_reader(user, node, torch.cat(kept), start)

    def _mend_reader(self, node: fx.Node, source: fx.Node, kept: Tensor, width: int) -> None:
        """Change a reader of ``source``, which now has ``width`` channels and its former channel i at ``kept[i]``."""
        layer = self._own_convolution(node)
        if layer is not None and layer.groups == 1:
            self._set_layer(node, _with_more_inputs(layer, kept, width))
        elif _is_selection(node):
            self._set_positions(node, kept[self._positions(node)])
        elif _is_slice(node):
            start, count = int(node.args[2]), int(node.args[3])  # type: ignore[arg-type]
            wanted = kept[start : start + count]
            if torch.equal(wanted, wanted[0] + torch.arange(count)):
                node.args = (source, 1, int(wanted[0]), count)
            else:
                node.target = torch.index_select
                self._set_positions(node, wanted)
        else:
            node.replace_input_with(source, self._narrowed(source, node))

    def _reads_by_position(self, node: fx.Node) -> bool:
        return self.is_dense(node) or _is_selection(node) or _is_slice(node)

    def _narrowed(self, source: fx.Node, reader: fx.Node) -> fx.Node:
        if source not in self._widened:
            return source
        with self._body.graph.inserting_before(reader):
            return self._body.graph.call_function(torch.narrow, (source, 1, 0, self.widths[source]))

    def _own_convolution(self, node: fx.Node) -> nn.Conv2d | None:
        """Return the node's convolution, or None if it has none or another node runs it too."""
        layer = self.layer(node)
        return layer if type(layer) is nn.Conv2d and self._num_uses[str(node.target)] == 1 else None

    def _set_layer(self, node: fx.Node, layer: nn.Conv2d) -> None:
        self._body.set_submodule(str(node.target), layer)
        self._layers[str(node.target)] = layer

    def _positions(self, selection: fx.Node) -> Tensor:
        positions: Any = selection.args[2]
        return _buffer(self._body, positions)

    def _set_positions(self, selection: fx.Node, positions: Tensor) -> None:
        name = f"{selection.name}__positions"
        self._body.register_buffer(name, positions.contiguous())
        with self._body.graph.inserting_before(selection):
            selection.args = (selection.args[0], 1, self._body.graph.get_attr(name))


def _has_channels(node: fx.Node) -> bool:
    shape = getattr(node.meta.get("tensor_meta"), "shape", None)
    return isinstance(shape, torch.Size) and len(shape) == 4


def _buffer(body: fx.GraphModule, node: fx.Node) -> Tensor:
    value: Tensor = getattr(body, str(node.target))
    return value


def _is_selection(node: fx.Node) -> bool:
    return node.target is torch.index_select and node.args[1:2] == (1,)


def _is_slice(node: fx.Node) -> bool:
    return node.target is torch.narrow and node.args[1:2] == (1,)


def _with_more_outputs(layer: nn.Conv2d, extra: int) -> nn.Conv2d:
    """Return the layer with ``extra`` channels of zeros behind its own. A depthwise layer reads as many more."""
    wider = copy.deepcopy(layer)
    weight = layer.weight.detach()
    wider.weight = nn.Parameter(torch.cat([weight, weight.new_zeros(extra, *weight.shape[1:])]))
    if layer.bias is not None:
        wider.bias = nn.Parameter(torch.cat([layer.bias.detach(), weight.new_zeros(extra)]))
    wider.out_channels += extra
    if layer.groups > 1:
        wider.in_channels += extra
        wider.groups += extra
    return wider


def _with_more_inputs(layer: nn.Conv2d, kept: Tensor, width: int) -> nn.Conv2d:
    """Return the layer for an input of ``width`` channels, of which it reads those at ``kept`` as its former ones."""
    wider = copy.deepcopy(layer)
    weight = layer.weight.detach()
    wider.weight = nn.Parameter(weight.new_zeros(len(weight), width, *weight.shape[2:]))
    wider.weight.data[:, kept] = weight
    wider.in_channels = width
    return wider
