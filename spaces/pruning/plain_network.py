"""PlainNetwork: the pruned network of torch layers and a few functions, written as JSON and tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.pruning.graph_functions import FUNCTIONS, METHODS, function_name
from gatefront.spaces.pruning.layer_documents import build_layer, write_layer

FORMAT_VERSION = 1


class PlainNetwork(nn.Module):
    """Network ``images [batch, c, h, w] -> one prediction per task``, a tuple in the order of ``task_names``."""

    def __init__(self, body: fx.GraphModule, task_names: tuple[str, ...]) -> None:
        super().__init__()
        self.body = body
        self.task_names = task_names
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        predictions: tuple[Tensor, ...] = self.body(images)
        return predictions

    def architecture_json(self) -> dict[str, Any]:
        """Return layers and connections as plain JSON. Together with :meth:`tensors` they are the whole network.

        Raises:
            SpaceError: an operation, which the message names, is none of ``LAYERS``, ``FUNCTIONS`` and ``METHODS``.
        """
        modules = dict(self.body.named_modules())
        nodes = list(self.body.graph.nodes)
        used = {str(node.target) for node in nodes if node.op == "call_module"}
        return {
            "format_version": FORMAT_VERSION,
            "tasks": list(self.task_names),
            "layers": {name: write_layer(name, modules[name]) for name in sorted(used)},
            "parameters": [name for name, _ in self.body.named_parameters(recurse=False)],
            "nodes": [_node_json(node) for node in nodes],
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return every parameter and buffer by the name that the architecture uses."""
        return {name: tensor.detach().contiguous() for name, tensor in self.body.state_dict().items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "PlainNetwork":
        """Return the network that wrote ``document`` and ``tensors``.

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
            root.add_module(name, build_layer(layer))
        for name in {node["target"] for node in document["nodes"] if node["op"] == "get_attr"}:
            value = torch.zeros_like(tensors[name])
            if name in document.get("parameters", ()):
                root.register_parameter(name, nn.Parameter(value))
            else:
                root.register_buffer(name, value)
        known: dict[str, fx.Node] = {}
        for node in document["nodes"]:
            known[node["name"]] = _build_node(graph, node, known)
        body = fx.GraphModule(root, graph, class_name="PlainNetwork")
        try:
            body.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise SpaceError(f"the tensors do not fit the architecture: {error}") from error
        return cls(body, tuple(document["tasks"]))


def _node_json(node: fx.Node) -> dict[str, Any]:
    target: Any = node.target
    if node.op == "call_function":
        target = function_name(target)
        if target is None:
            raise SpaceError(f"operation {node.name} ({node.target}) cannot be written to architecture.json.")
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
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SpaceError(f"an argument of type {type(value).__name__} cannot be written to architecture.json.")


def _from_json(value: Any, known: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, dict):
        if "slice" in value:
            return slice(*(_from_json(item, known) for item in value["slice"]))
        if "dtype" in value:
            return getattr(torch, value["dtype"])
        return ... if "ellipsis" in value else known[value["node"]]
    if isinstance(value, list):
        return tuple(_from_json(item, known) for item in value)
    return value
