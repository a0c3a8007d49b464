"""LOMT's rule: a task's decoder belongs behind the last block that its own sparse network still uses."""

from bisect import bisect_left

from torch import fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.input_groups import count_groups
from gatefront.spaces.families.stages import find_blocks, resolution
from gatefront.spaces.networks.encoder import encoder_features

MIN_ACTIVE = 0.01
"""Fraction of input channels that a block must exceed to be in use, from the authors' code."""


def find_attachment(encoder: fx.GraphModule, architecture: Architecture, task: Task) -> str:
    """Return the block, by the name of the node that ends it, behind which ``encoder`` is empty.

    ``encoder`` is that of the task's single-task network, trained with group sparsity. If this block is no place for
    the decoder, the result is the first place behind it. If all blocks are empty, the result is the first place.

    Raises:
        SpaceError: see :func:`attachment_places`.
    """
    blocks = find_blocks(encoder, name=_name(architecture))
    used = [index for index, share in enumerate(_active_shares(encoder, blocks)) if share > MIN_ACTIVE]
    last = blocks[used[-1]] if used else blocks[0]
    places = attachment_places(encoder, architecture, task)
    position = {block: index for index, block in enumerate(blocks)}
    return next(place for place in places if position[place] >= position[last]).name


def attachment_places(encoder: fx.GraphModule, architecture: Architecture, task: Task) -> list[fx.Node]:
    """Return the blocks that a task's decoder may read from, in depth order. The last one is the whole encoder's.

    A dense decoder is not attached where the resolution is finer than on the whole encoder, because it would cost more
    than the blocks that it saves.

    Raises:
        SpaceError: the encoder's blocks give neither maps nor vectors, or the decoder's trunk is shared.
    """
    if architecture.share_decoder:
        raise SpaceError(
            "lomt attaches every task's decoder to a layer of its own, but share_decoder makes one trunk of them.",
            hint="Leave share_decoder out, or choose another family.",
        )
    blocks = find_blocks(encoder, name=_name(architecture))
    others = [block for block in blocks if not _is_map_or_vector(block)]
    if others:
        raise SpaceError(
            f"lomt attaches decoders to maps [batch, channels, height, width], but {others[0].name} of "
            f"{_name(architecture)} gives other values.",
            hint="Choose a convolutional backbone, or another family.",
        )
    if not task.is_dense:
        return blocks
    features = encoder_features(encoder)
    read = features[-1:] if architecture.decoder == "deeplab" else features
    finest = max(resolution(feature) for feature in read)
    return [block for block in blocks if resolution(block) <= finest or block is blocks[-1]]


def _active_shares(encoder: fx.GraphModule, blocks: list[fx.Node]) -> list[float]:
    """Return per block the fraction of its layers' input channels that is read.

    Layers behind the last block belong to it.
    """
    position = {node: index for index, node in enumerate(encoder.graph.nodes)}
    ends = [position[block] for block in blocks]
    active, total = [0] * len(blocks), [0] * len(blocks)
    for node in encoder.graph.nodes:
        if node.op != "call_module":
            continue
        layer = encoder.get_submodule(str(node.target))
        if isinstance(layer, nn.Conv2d | nn.Linear):
            index = min(bisect_left(ends, position[node]), len(blocks) - 1)
            used, number = count_groups(layer)
            active[index] += used
            total[index] += number
    return [used / number if number else 0.0 for used, number in zip(active, total, strict=True)]


def _is_map_or_vector(block: fx.Node) -> bool:
    return len(block.meta["batched_shape"]) in (2, 4) and block.meta["channel_axis"] == 1


def _name(architecture: Architecture) -> str:
    return f"backbone {architecture.backbone!r}"
