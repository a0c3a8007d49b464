"""Separation of batch sizes from other numbers: one module traced with two batch sizes, compared node by node."""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.proxy import TraceError

TRACE_BATCHES = (5, 7)
"""Two batch sizes of a trace. Their values mean nothing, and a number that differs between both is a batch size."""


class BatchDependenceError(TraceError):
    """Error of a module whose operations depend on the batch size in a way that one graph cannot express."""

    hint = "Treat every image alike, whatever the batch: read sizes off the input, and let no image look at another."


def per_image(sizes: Sequence[int], *, what: str) -> tuple[int, int]:
    """Split a number, found for each of :data:`TRACE_BATCHES`, into ``(per image, fixed)``.

    Raises:
        BatchDependenceError: it is no multiple of the batch size plus a constant.
    """
    (first, second), (small, large) = sizes, TRACE_BATCHES
    rise, left = divmod(second - first, large - small)
    if left:
        raise BatchDependenceError(f"{what} is {first} for {small} images and {second} for {large}")
    return rise, first - rise * small


def image_shape_of(shapes: Sequence[Sequence[int]], *, name: str) -> torch.Size:
    """Return the shape for one image, from the shapes for :data:`TRACE_BATCHES`.

    Raises:
        BatchDependenceError: an axis is neither fixed nor a multiple of the batch size.
    """
    return torch.Size(_image_size(pair, name) for pair in zip(*shapes, strict=True))


def _image_size(sizes: tuple[int, ...], name: str) -> int:
    rise, fixed = per_image(sizes, what=f"a size of {name}")
    if rise and fixed:
        raise BatchDependenceError(f"a size of {name} is neither fixed nor a multiple of the batch size")
    return rise or fixed


def open_batch_sizes(graph: fx.Graph, other: fx.Graph) -> None:
    """Replace every batch size that is written in ``graph`` by one that is read from its input, in place.

    Args:
        graph: the graph of a trace with ``TRACE_BATCHES[0]`` images.
        other: the graph of a trace of the same module with ``TRACE_BATCHES[1]`` images.

    Raises:
        BatchDependenceError: the two graphs differ in more than batch sizes.
    """
    nodes, others = list(graph.nodes), list(other.nodes)
    if [(node.op, node.target) for node in nodes] != [(node.op, node.target) for node in others]:
        raise BatchDependenceError("other operations run for another batch size")
    images = next(node for node in nodes if node.op == "placeholder")
    twins = dict(zip(nodes, others, strict=True))
    for node, twin in twins.items():
        if node.op not in ("placeholder", "output"):
            _open_arguments(node, twin, twins, images)


def open_constants(traced: fx.GraphModule, other: fx.GraphModule) -> None:
    """Make constants with one entry per image hold for any batch, in place, and refuse those that differ by run.

    A module that builds a table with the batch size in its shape gives every image the same entries. One of them is
    kept, and expanded to the present batch.

    Args:
        traced: the result of a trace with ``TRACE_BATCHES[0]`` images.
        other: that of a trace of the same module with ``TRACE_BATCHES[1]`` images, which is changed alike.

    Raises:
        BatchDependenceError: the entries are random, or differ from image to image.
    """
    found, others = _tensors(traced), _tensors(other)
    if found.keys() != others.keys():
        raise BatchDependenceError("other tensors are read for another batch size")
    for name, tensor in found.items():
        twin = others[name]
        if tensor is twin:
            continue
        if tensor.shape == twin.shape and torch.equal(tensor, twin):
            continue
        axis = _batch_axis(name, tensor, twin)
        for module in (traced, other):
            _expand_constant(module, name, tensor.narrow(axis, 0, 1).clone(), axis)


def _tensors(traced: fx.GraphModule) -> dict[str, Tensor]:
    """Return the tensors that a graph reads: parameters, buffers, and constants made on the way."""
    names = [str(node.target) for node in traced.graph.nodes if node.op == "get_attr"]
    return {name: operator.attrgetter(name)(traced) for name in names}


def _batch_axis(name: str, tensor: Tensor, twin: Tensor) -> int:
    """Return the one axis along which both hold the same entries, once per image."""
    sizes = list(zip(tensor.shape, twin.shape, strict=False)) if tensor.dim() == twin.dim() else []
    axes = [axis for axis, pair in enumerate(sizes) if pair == TRACE_BATCHES]
    if len(axes) != 1 or any(one != other for axis, (one, other) in enumerate(sizes) if axis not in axes):
        raise BatchDependenceError(f"the tensor {name} that the module makes is random, or depends on the batch size")
    first = tensor.narrow(axes[0], 0, 1)
    if not all(torch.equal(one, first.expand_as(one)) for one in (tensor, twin)):
        raise BatchDependenceError(f"the tensor {name} that the module makes has other entries for every image")
    return axes[0]


def _expand_constant(traced: fx.GraphModule, name: str, entry: Tensor, axis: int) -> None:
    """Let the graph read ``entry``, expanded along ``axis`` to the number of images of its input."""
    setattr(traced, name, entry)
    graph = traced.graph
    images = next(node for node in graph.nodes if node.op == "placeholder")
    for node in [node for node in graph.nodes if node.op == "get_attr" and node.target == name]:
        with graph.inserting_after(node):
            size = graph.call_method("size", (images, 0))
        sizes = [size if place == axis else -1 for place in range(entry.dim())]
        with graph.inserting_after(size):
            expanded = graph.call_method("expand", (node, *sizes))
        node.replace_all_uses_with(expanded, delete_user_cb=lambda user, last=expanded: user is not last)


def _open_arguments(node: fx.Node, twin: fx.Node, twins: dict[fx.Node, fx.Node], images: fx.Node) -> None:
    """Open batch sizes in the node's arguments. A node without any keeps them, so that it counts as unchanged."""
    args, kwargs = node.args, node.kwargs
    opened_args = _opened(node, args, twin.args, twins, images)
    opened_kwargs = _opened(node, kwargs, twin.kwargs, twins, images)
    if opened_args is not args:
        node.args = opened_args
    if opened_kwargs is not kwargs:
        node.kwargs = opened_kwargs


def _opened(node: fx.Node, arguments: Any, other: Any, twins: dict[fx.Node, fx.Node], images: fx.Node) -> Any:
    leaves, other_leaves = _leaves(arguments), _leaves(other)
    if len(leaves) != len(other_leaves):
        raise BatchDependenceError(f"{node.name} has other arguments for another batch size")
    pairs = zip(leaves, other_leaves, strict=True)
    opened = [_open(node, leaf, twin, twins, images) for leaf, twin in pairs]
    if all(new is leaf for new, leaf in zip(opened, leaves, strict=True)):
        return arguments
    remaining = iter(opened)
    return fx.node.map_aggregate(arguments, lambda _: next(remaining))


def _leaves(arguments: Any) -> list[Any]:
    """Return the leaves in the order in which torch.fx walks through arguments, into slices too."""
    leaves: list[Any] = []
    fx.node.map_aggregate(arguments, leaves.append)
    return leaves


def _open(node: fx.Node, leaf: Any, other: Any, twins: dict[fx.Node, fx.Node], images: fx.Node) -> Any:
    if isinstance(leaf, fx.Node):
        if twins[leaf] is not other:
            raise BatchDependenceError(f"{node.name} reads other values for another batch size")
        return leaf
    if leaf is other or leaf == other:
        return leaf
    if not (type(leaf) is type(other) is int):
        raise BatchDependenceError(f"{node.name} has the argument {leaf!r}, and {other!r} for another batch size")
    rise, fixed = per_image((leaf, other), what=f"an argument of {node.name}")
    if fixed:
        raise BatchDependenceError(f"an argument of {node.name} is {leaf}, which is no multiple of the batch size")
    with node.graph.inserting_before(node):
        size = node.graph.call_method("size", (images, 0))
        return size if rise == 1 else node.graph.call_function(operator.mul, (size, rise))
