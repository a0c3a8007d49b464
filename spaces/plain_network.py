"""PlainNetwork: what pruning leaves. Torch layers and a few functions, written down as JSON and tensors."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from spaces.attention import HeadAttention, WindowHeadAttention
from spaces.errors import SpaceError
from spaces.layers import LayerNorm2d

FORMAT_VERSION = 1

LAYER_ARGUMENTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Conv2d: ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias"),
    nn.Linear: ("in_features", "out_features", "bias"),
    nn.BatchNorm2d: ("num_features", "eps"),
    nn.MaxPool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    nn.AvgPool2d: ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.Flatten: ("start_dim", "end_dim"),
    nn.LeakyReLU: ("negative_slope",),
    nn.GELU: ("approximate",),
    nn.ReLU: (),
    nn.ReLU6: (),
    nn.SiLU: (),
    nn.Mish: (),
    nn.Tanh: (),
    nn.Sigmoid: (),
    nn.Hardswish: (),
    nn.Hardsigmoid: (),
    nn.LayerNorm: ("normalized_shape", "eps"),
    LayerNorm2d: ("num_channels", "eps"),
    HeadAttention: ("num_heads", "head_dim", "scale"),
    WindowHeadAttention: ("num_heads", "head_dim", "scale", "window_size", "num_windows"),
}
"""Layers a plain network may hold, and the constructor arguments that are written down."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "cat": torch.cat,
    "narrow": torch.narrow,
    "index_select": torch.index_select,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "max_pool2d": F.max_pool2d,
    "interpolate": F.interpolate,
    "reshape": torch.reshape,
    "pad": F.pad,
    "roll": torch.roll,
    "getitem": operator.getitem,
    "gelu": F.gelu,
    "silu": F.silu,
}
METHODS = frozenset({"size", "permute", "transpose", "mean", "expand", "contiguous", "sigmoid", "relu"})


class PlainNetwork(nn.Module):
    """``images [batch, c, h, w] -> one prediction per task``, a tuple in the order of ``task_names``."""

    def __init__(self, body: fx.GraphModule, task_names: tuple[str, ...]) -> None:
        super().__init__()
        self.body = body
        self.task_names = task_names
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        predictions: tuple[Tensor, ...] = self.body(images)
        return predictions

    def architecture_json(self) -> dict[str, Any]:
        """Layers and connections as plain JSON; with :meth:`tensors` they are the whole network.

        Raises:
            SpaceError: an operation is none of ``LAYER_ARGUMENTS`` and ``FUNCTIONS``; it is named.
        """
        modules = dict(self.body.named_modules())
        nodes = list(self.body.graph.nodes)
        used = {str(node.target) for node in nodes if node.op == "call_module"}
        return {
            "format_version": FORMAT_VERSION,
            "tasks": list(self.task_names),
            "layers": {name: _layer_json(name, modules[name]) for name in sorted(used)},
            "nodes": [_node_json(node) for node in nodes],
        }

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer by the name the architecture uses."""
        return {name: tensor.detach().contiguous() for name, tensor in self.body.state_dict().items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "PlainNetwork":
        """The network that wrote ``document`` and ``tensors``.

        Raises:
            SpaceError: the format is newer than this version, an operation is unknown, or tensors do not fit.
        """
        if document.get("format_version") != FORMAT_VERSION:
            raise SpaceError(
                f"architecture format {document.get('format_version')} is not {FORMAT_VERSION}.",
                hint="Read it with the gatefront version that wrote it.",
            )
        root, graph = nn.Module(), fx.Graph()
        for name, layer in document["layers"].items():
            root.add_module(name, _build_layer(layer))
        for name in {node["target"] for node in document["nodes"] if node["op"] == "get_attr"}:
            root.register_buffer(name, torch.zeros_like(tensors[name]))
        known: dict[str, fx.Node] = {}
        for node in document["nodes"]:
            known[node["name"]] = _build_node(graph, node, known)
        body = fx.GraphModule(root, graph, class_name="PlainNetwork")
        try:
            body.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise SpaceError(f"the tensors do not fit the architecture: {error}") from error
        return cls(body, tuple(document["tasks"]))


def _layer_json(name: str, layer: nn.Module) -> dict[str, Any]:
    arguments = LAYER_ARGUMENTS.get(type(layer))
    if arguments is None:
        raise SpaceError(
            f"layer {name} of type {type(layer).__module__}.{type(layer).__qualname__} fits no architecture.json.",
            hint="Its torch.export and ONNX files hold the network all the same.",
        )
    values = {key: getattr(layer, key) for key in arguments}
    if "bias" in values:
        values["bias"] = values["bias"] is not None
    return {"type": type(layer).__name__} | {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _build_layer(document: Mapping[str, Any]) -> nn.Module:
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items() if k != "type"}
    for kind in LAYER_ARGUMENTS:
        if kind.__name__ == document["type"]:
            return kind(**arguments)
    raise SpaceError(f"layer type {document['type']!r} is unknown.")


def _node_json(node: fx.Node) -> dict[str, Any]:
    target = node.target
    if node.op == "call_function":
        names = [name for name, function in FUNCTIONS.items() if function is target]
        if not names:
            raise SpaceError(f"operation {node.name} ({target}) cannot be written to architecture.json.")
        target = names[0]
    if node.op == "call_method" and target not in METHODS:
        raise SpaceError(f"method {target!r} of {node.name} cannot be written to architecture.json.")
    return {
        "name": node.name,
        "op": node.op,
        "target": str(target),
        "args": _to_json(node.args),
        "kwargs": {key: _to_json(value) for key, value in node.kwargs.items()},
    }


def _build_node(graph: fx.Graph, document: Mapping[str, Any], known: Mapping[str, fx.Node]) -> fx.Node:
    target: Any = document["target"]
    if document["op"] == "call_function":
        if target not in FUNCTIONS:
            raise SpaceError(f"operation {target!r} of node {document['name']} is unknown.")
        target = FUNCTIONS[target]
    elif document["op"] == "call_method" and target not in METHODS:
        raise SpaceError(f"method {target!r} of node {document['name']} is unknown.")
    args = tuple(_from_json(value, known) for value in document["args"])
    kwargs = {key: _from_json(value, known) for key, value in document["kwargs"].items()}
    return graph.create_node(document["op"], target, args, kwargs, name=document["name"])


def _to_json(value: Any) -> Any:
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, slice):
        return {"slice": [_to_json(value.start), _to_json(value.stop), _to_json(value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SpaceError(f"an argument of type {type(value).__name__} cannot be written to architecture.json.")


def _from_json(value: Any, known: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, dict):
        if "slice" in value:
            return slice(*(_from_json(item, known) for item in value["slice"]))
        return ... if "ellipsis" in value else known[value["node"]]
    if isinstance(value, list):
        return tuple(_from_json(item, known) for item in value)
    return value
