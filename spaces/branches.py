"""Running one traced graph in several branches at once, with gates between."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from spaces.errors import SpaceError
from spaces.gates import ChannelGate

LiveBranches = Mapping[fx.Node, tuple[bool, ...]]
"""Per node: which branches have a reader for what it computes."""


def run_branches(
    graph: fx.Graph,
    branches: Sequence[fx.GraphModule],
    gates: Mapping[fx.Node, ChannelGate],
    images: Tensor,
    live: LiveBranches | None,
) -> list[Any]:
    """``[task]``: the features of every task. Branch 0 is the shared one; ``live`` None runs everything."""
    modules = [dict(branch.named_modules()) for branch in branches]
    values: dict[fx.Node, list[Any]] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = [images] * len(branches)
            continue
        if node.op == "output":
            return [_arguments(node.args[0], values, b) for b in range(1, len(branches))]
        values[node] = [
            _run_node(node, values, b, branch, modules[b]) if live is None or live[node][b] else None
            for b, branch in enumerate(branches)
        ]
        if node in gates:
            mix, chosen = gates[node](values[node][0], values[node][1:])
            values[node] = [mix, *chosen]
        for source in node.meta["last_uses"]:
            del values[source]
    raise SpaceError("the traced backbone has no output.")


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
