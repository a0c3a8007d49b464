"""Merging of convolutions that read the same value and end side by side, above all the branches' stems."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from gatefront.spaces.pruning.layer_documents import write_layer

_SETTINGS = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
_WITHOUT_TENSORS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU, nn.Mish, nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True, slots=True)
class _Siblings:
    """Parallel operations that can be merged.

    ``steps[0]`` are convolutions of one input and geometry. Every further step is one operation on each of them.
    ``joined`` concatenates the results of the last step.
    """

    steps: tuple[tuple[fx.Node, ...], ...]
    joined: fx.Node


def merge_layers(plain: fx.GraphModule) -> None:
    """Run convolutions of one input and one geometry as one, where their results are concatenated, in place.

    Operations that follow all of them alike (activations, pooling) run once, and the concatenation is the merged value
    itself. FLOPs stay the same. One large kernel is faster than several small ones.
    """
    modules = dict(plain.named_modules())
    groups: dict[tuple[Any, ...], list[fx.Node]] = {}
    for node in plain.graph.nodes:
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        if type(layer) is nn.Conv2d and layer.groups == 1 and len(node.args) == 1:
            settings = tuple(getattr(layer, name) for name in _SETTINGS)
            groups.setdefault((node.args[0], settings, layer.bias is None), []).append(node)
    for nodes in groups.values():
        siblings = _follow(nodes, modules) if len(nodes) > 1 else None
        if siblings is not None:
            _merge(plain, siblings, modules)


def _follow(nodes: list[fx.Node], modules: dict[str, nn.Module]) -> _Siblings | None:
    """Follow the nodes as long as all are read alike. The result is None if they do not end in one concatenation."""
    steps = [tuple(nodes)]
    while True:
        for user in steps[-1][0].users:
            if user.target is torch.cat and user.args == (list(steps[-1]), 1):
                return _Siblings(tuple(steps), user)
        users = tuple(next(iter(node.users)) for node in steps[-1] if len(node.users) == 1)
        if len(set(users)) < len(nodes) or not _same_operation(users, steps[-1], modules):
            return None
        steps.append(users)


def _same_operation(users: tuple[fx.Node, ...], nodes: tuple[fx.Node, ...], modules: dict[str, nn.Module]) -> bool:
    """Return True if all ``users`` are one layer without its own tensors, each on its node alone."""
    layers = [modules.get(str(user.target)) if user.op == "call_module" else None for user in users]
    if not all(isinstance(layer, _WITHOUT_TENSORS) for layer in layers):
        return False
    documents = [write_layer(str(user.target), layer) for user, layer in zip(users, layers, strict=True) if layer]
    alike = all(document == documents[0] for document in documents)
    return alike and all(user.args == (node,) and not user.kwargs for user, node in zip(users, nodes, strict=True))


def _merge(plain: fx.GraphModule, siblings: _Siblings, modules: dict[str, nn.Module]) -> None:
    convolutions, *following = siblings.steps
    layers: list[Any] = [modules[str(node.target)] for node in convolutions]
    name = f"{convolutions[0].target}__merged"
    plain.add_submodule(name, _side_by_side(layers))
    with plain.graph.inserting_before(convolutions[0]):  # ahead of every reader of one of the parts
        merged = plain.graph.call_module(name, convolutions[0].args)
        for step in following:
            merged = plain.graph.call_module(str(step[0].target), (merged,))
    siblings.joined.replace_all_uses_with(merged)
    start = 0
    for node, layer in zip(siblings.steps[-1], layers, strict=True):
        if set(node.users) - {siblings.joined}:
            with plain.graph.inserting_after(merged):
                part = plain.graph.call_function(torch.narrow, (merged, 1, start, layer.out_channels))
            node.replace_all_uses_with(part, delete_user_cb=lambda user: user is not siblings.joined)
        start += layer.out_channels
    plain.graph.eliminate_dead_code()


def _side_by_side(layers: list[Any]) -> nn.Conv2d:
    merged: nn.Conv2d = copy.deepcopy(layers[0])
    merged.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]))
    if merged.bias is not None:
        merged.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))
    merged.out_channels = len(merged.weight)
    return merged
