"""Run of one traced graph in several branches at once, with gates between."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, fx, nn

from gatefront.spaces.gating.channel_gate import ChannelGate
from gatefront.spaces.networks.activation_checkpointing import recompute_in_backward

LiveBranches = Mapping[fx.Node, tuple[bool, ...]]
"""Flags per node and branch. A flag is True if the branch has a reader for the node's value."""


def run_branches(
    graph: fx.Graph,
    branches: Sequence[fx.GraphModule],
    gates: Mapping[fx.Node, ChannelGate],
    images: Tensor,
    live: LiveBranches | None,
    segments: Sequence[Sequence[fx.Node]] | None = None,
) -> list[Any]:
    """Return the features of every task, ``[task]``.

    Branch 0 is the shared one. ``live`` None runs everything. ``segments`` are runs of the graph's nodes. Only their
    results are kept for the backward pass, which computes the rest again.
    """
    modules = [dict(branch.named_modules()) for branch in branches]
    values: dict[fx.Node, list[Any]] = {}

    def run(nodes: Sequence[fx.Node], known: dict[fx.Node, list[Any]]) -> dict[fx.Node, list[Any]]:
        known = dict(known)
        for node in nodes:
            known[node] = _run_in_branches(node, known, branches, modules, gates, images, live)
            for source in node.meta["last_uses"]:
                del known[source]
        return known

    *inner, output = graph.nodes
    if segments is None:
        values = run(inner, values)
    for segment in segments or ():
        values = recompute_in_backward(partial(run, segment, values), branches)
    return [_arguments(output.args[0], values, b) for b in range(1, len(branches))]


def _run_in_branches(
    node: fx.Node,
    values: dict[fx.Node, list[Any]],
    branches: Sequence[fx.GraphModule],
    modules: Sequence[dict[str, nn.Module]],
    gates: Mapping[fx.Node, ChannelGate],
    images: Tensor,
    live: LiveBranches | None,
) -> list[Any]:
    if node.op == "placeholder":
        return [images] * len(branches)
    found = [
        _run_node(node, values, b, branch, modules[b]) if live is None or live[node][b] else None
        for b, branch in enumerate(branches)
    ]
    if node not in gates:
        return found
    mix, chosen = gates[node](found[0], found[1:])
    return [mix, *chosen]


def _run_node(
    node: fx.Node, values: dict[fx.Node, list[Any]], b: int, branch: fx.GraphModule, modules: dict[str, nn.Module]
) -> Any:
    args, kwargs = _arguments(node.args, values, b), _arguments(node.kwargs, values, b)
    target: Any = node.target
    if node.op == "call_module":
        return modules[target](*args, **kwargs)
    if node.op == "call_function":
        return target(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], target)(*args[1:], **kwargs)
    owner, _, name = target.rpartition(".")
    return getattr(branch.get_submodule(owner), name)


def _arguments(arguments: Any, values: dict[fx.Node, list[Any]], b: int) -> Any:
    return fx.node.map_arg(arguments, lambda node: values[node][b])
