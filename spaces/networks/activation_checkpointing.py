"""Activation checkpointing: less memory for about one more forward pass."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from torch import fx, nn
from torch.utils.checkpoint import checkpoint

from gatefront.spaces.networks.cut_points import gate_places

Result = TypeVar("Result")


def split_at_blocks(graph: fx.Graph) -> list[list[fx.Node]]:
    """Return the graph's nodes without the output, in segments.

    A segment ends where the network is one stream and a layer reads its value.
    """
    places = gate_places(graph, "block")
    segments: list[list[fx.Node]] = [[]]
    for node in graph.nodes:
        if node.op == "output":
            break
        segments[-1].append(node)
        if node in places and any(user.meta["flops"] for user in node.users if user.op != "output"):
            segments.append([])
    return [segment for segment in segments if segment]


def recompute_in_backward(function: Callable[[], Result], modules: Sequence[nn.Module]) -> Result:
    """Return ``function()``, and let the backward pass keep only the result and compute the rest again.

    Norms of ``modules`` update their running statistics once only.
    """
    norms = [m for module in modules for m in module.modules() if isinstance(m, nn.BatchNorm2d)]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(norms)

    result: Result = checkpoint(function, use_reentrant=False, context_fn=contexts)
    return result


@contextmanager
def _statistics_kept(norms: Sequence[nn.BatchNorm2d]) -> Iterator[None]:
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
