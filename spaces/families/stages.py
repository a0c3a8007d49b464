"""Ends of a traced encoder's stages, to which families attach."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import fx

from gatefront.spaces.errors import SpaceError, UntraceableBackboneError
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands
from gatefront.spaces.networks.lifting import find_sites


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one resolution, by the nodes that end them."""

    blocks: tuple[fx.Node, ...]

    @property
    def end(self) -> fx.Node:
        return self.blocks[-1]


def find_stages(encoder: fx.GraphModule, *, name: str) -> list[Stage]:
    """Return the stages in depth order.

    A stage ends where the resolution changes, and where its result leaves the encoder. A first stage of a single block
    is a stem and belongs to the next one, unless its result leaves the encoder. ``name`` is the encoder's name in
    messages.

    Raises:
        SpaceError: the encoder has no layers, or gives values that have no channels.
    """
    blocks = find_blocks(encoder, name=name)
    stages: list[list[fx.Node]] = [[]]
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        stages[-1].append(block)
        if following is not None and _ends_stage(block, following, blocks):
            stages.append([])
    if len(stages) > 1 and len(stages[0]) == 1 and not _is_handed_out(stages[0][0], blocks):
        stages[:2] = [stages[0] + stages[1]]
    return [Stage(tuple(stage)) for stage in stages]


def find_blocks(encoder: fx.GraphModule, *, name: str) -> list[fx.Node]:
    """Return the nodes that end blocks, in depth order. No other value bypasses them.

    A value with another number of entries than images, such as views of an image beside each other, ends no block.

    Raises:
        SpaceError: the encoder has no layers, or gives values that have no channels.
    """
    try:
        sites = find_sites(encoder, GateLayout(granularity="block")).sites
    except UntraceableBackboneError as error:
        raise _no_stages(name, error.message) from error
    images = next(node for node in encoder.graph.nodes if node.op == "placeholder")
    ends = [site.node for site in sites if _batches(site.node) == _batches(images)]
    blocks = _without_crossed(ends, encoder.graph)
    if not blocks:
        raise _no_stages(name, "none of its layers costs anything.")
    return blocks


def resolution(node: fx.Node) -> int:
    """Return the number of places of a node's value: pixels of a map, tokens, or 1 for a vector."""
    _, *sizes = node.meta["batched_shape"]
    return int(math.prod(sizes)) // (num_channels(node) or 1)


def _batches(node: fx.Node) -> list[int]:
    """Return the first size of a node's value for each batch size of the trace."""
    return [shape[0] for shape in node.meta["batched_shapes"]]


def _no_stages(name: str, reason: str) -> SpaceError:
    return SpaceError(
        f"{name} has no stages that a family could attach to: {reason}",
        hint="Choose a backbone of layers that gives maps or vectors, or the single-task or hard-sharing family.",
    )


def _ends_stage(block: fx.Node, following: fx.Node, blocks: Iterable[fx.Node]) -> bool:
    return resolution(following) != resolution(block) or _is_handed_out(block, blocks)


def _is_handed_out(block: fx.Node, blocks: Iterable[fx.Node]) -> bool:
    """Return True if a block's result leaves the encoder without passing another block."""
    others = set(blocks)
    return any(user.op == "output" or (user not in others and _only_hands_out(user)) for user in block.users)


def _only_hands_out(node: fx.Node) -> bool:
    """Return True for a node of one operand that costs nothing and leads to the output alone.

    Examples are a reshape and a final norm.
    """
    if node.op == "output":
        return True
    if node.meta["flops"] or len(tensor_operands(node)) > 1:
        return False
    return all(_only_hands_out(user) for user in node.users)


def _without_crossed(ends: list[fx.Node], graph: fx.Graph) -> list[fx.Node]:
    """Return only the ends that no other value bypasses.

    Parameters, the input, and features that only leave the encoder do not count.
    """
    position = {node: index for index, node in enumerate(graph.nodes)}
    reach = {
        node: max((position[user] for user in node.users if not _only_hands_out(user)), default=-1)
        for node in graph.nodes
        if node.op != "output"
        and node.meta["has_tensor"]
        and node.meta["rule"] not in (ChannelRule.PARAMETER, ChannelRule.INPUT)
    }
    return [end for end in ends if all(reach[n] <= position[end] for n in reach if position[n] < position[end])]
