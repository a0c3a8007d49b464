"""Tree family: tasks share the first layers and part, along ever finer partitions, each part with widths of its own.

Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?" (arXiv 1905.07553); Bruggemann et al.,
"Automated Search for Resource-Efficient Branched Multi-Task Networks" (arXiv 2008.10292); Guo et al., "Learning to
Branch for Multi-Task Learning" (arXiv 2006.01895).
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.decoders import build_decoder
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.network import FamilyNetwork
from gatefront.spaces.families.segments import find_boundaries, segment_of_nodes
from gatefront.spaces.families.side_by_side import copy_node
from gatefront.spaces.families.task_tree import TaskTree, shared_until
from gatefront.spaces.networks.encoder import build_encoder, encoder_features, feature_shapes
from gatefront.spaces.networks.shared_network import read_features
from gatefront.spaces.networks.task_modules import TaskModules

_PART = "part"


class TreeNetwork(FamilyNetwork):
    """Network whose encoder is a tree of parts. ``tree`` says which tasks share each segment."""

    def __init__(
        self, architecture: Architecture, encoder: fx.GraphModule, heads: TaskModules, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(architecture, encoder, heads, settings)
        self.tree = TaskTree.of(settings["partitions"])


def build_tree(
    architecture: Architecture,
    *,
    partitions: Sequence[Sequence[Sequence[str]]] | None = None,
    ends: Sequence[str] | None = None,
    widths: Mapping[str, Sequence[int]] | None = None,
    decoder_widths: Mapping[str, int] | None = None,
) -> TreeNetwork:
    """Build a tree.

    Args:
        architecture: backbone, tasks, and the widths of what ``widths`` and ``decoder_widths`` leave out.
        partitions: groups of tasks per segment, each partition as fine as the one before it or finer. None means that
            tasks part behind the first stage.
        ends: names of the nodes that end all segments but the last. None means the ends of stages.
        widths: channels of every scalable group of the backbone, by task. Tasks that share a segment have the same
            channels there.
        decoder_widths: width of the decoder, by dense task.

    Raises:
        SpaceError: the backbone cannot be divided so, the partitions are no tree of the tasks, or widths of tasks that
            share a segment differ there.
    """
    if architecture.share_decoder:
        raise SpaceError(
            "Cannot build a tree: share_decoder makes one trunk of all decoders (found share_decoder = true).",
            hint="Leave share_decoder out, or choose another family.",
        )
    plain = replace(architecture, width=1.0, layer_widths=None) if widths is not None else architecture
    encoders = _encoders(plain, widths)
    first = encoders[architecture.task_names[0]]
    if ends is None:
        ends = find_boundaries(first, "stage", name=f"backbone {architecture.backbone!r}")
    if partitions is None:
        partitions = shared_until(architecture.task_names, len(ends) + 1, min(1, len(ends))).partitions
    tree = _checked_tree(architecture, partitions, len(ends) + 1)
    heads = _build_decoders(architecture, encoders, decoder_widths or {})
    joined = _join(architecture, encoders, heads, tree, list(ends))
    settings = {
        "partitions": tree.as_lists(),
        "ends": list(ends),
        "widths": None if widths is None else {name: list(widths[name]) for name in architecture.task_names},
        "decoder_widths": None if decoder_widths is None else dict(decoder_widths),
    }
    return TreeNetwork(architecture, joined, heads, settings)


def _checked_tree(
    architecture: Architecture, partitions: Sequence[Sequence[Sequence[str]]], num_segments: int
) -> TaskTree:
    tree = TaskTree.of(partitions)
    if sorted(tree.task_names) != sorted(architecture.task_names):
        raise SpaceError(
            f"Cannot build a tree: its tasks are those of the architecture (found {', '.join(tree.task_names)}).",
            hint=f"Divide {', '.join(architecture.task_names)} into groups.",
        )
    if len(tree.partitions) != num_segments:
        raise SpaceError(
            f"Cannot build a tree: the backbone has {num_segments} segments (found {len(tree.partitions)} partitions).",
            hint="Name one partition for every segment.",
        )
    return tree


def _encoders(architecture: Architecture, widths: Mapping[str, Sequence[int]] | None) -> dict[str, fx.GraphModule]:
    """Return every task's own encoder at its widths. Tasks of equal widths start from the same weights."""
    if widths is None:
        shared = build_encoder(architecture)
        return dict.fromkeys(architecture.task_names, shared)
    if missing := [name for name in architecture.task_names if name not in widths]:
        raise SpaceError(
            f"Cannot build a tree: widths name every task (found none for {', '.join(missing)}).",
            hint="Give every task the channels of its encoder.",
        )
    known: dict[tuple[int, ...], fx.GraphModule] = {}
    for name in architecture.task_names:
        own = tuple(widths[name])
        if own not in known:
            known[own] = build_encoder(replace(architecture, layer_widths=own))
    return {name: known[tuple(widths[name])] for name in architecture.task_names}


def _build_decoders(
    architecture: Architecture, encoders: Mapping[str, fx.GraphModule], decoder_widths: Mapping[str, int]
) -> TaskModules:
    decoders: dict[str, nn.Module] = {}
    for task in architecture.tasks:
        own = replace(architecture, decoder_width=decoder_widths.get(task.name, architecture.decoder_width))
        decoders[task.name] = build_decoder(task, own, feature_shapes(encoders[task.name]))
    return TaskModules(architecture.task_names, decoders)


def _join(
    architecture: Architecture,
    encoders: Mapping[str, fx.GraphModule],
    heads: TaskModules,
    tree: TaskTree,
    ends: list[str],
) -> fx.GraphModule:
    """Return ``images -> features of every task``, each part of the tree once, with the layers of its first task."""
    root, graph = nn.Module(), fx.Graph()
    images = graph.placeholder("images")
    known = {name: {node.name: images for node in _inputs(encoders[name])} for name in architecture.task_names}
    segments = {encoder: segment_of_nodes(encoder, ends) for encoder in encoders.values()}
    for position, (segment, tasks) in enumerate(tree.parts()):
        encoder, prefix = encoders[tasks[0]], f"{_PART}{position}"
        root.add_module(prefix, copy.deepcopy(encoder))
        own = [node for node, at in segments[encoder].items() if at == segment and node.op != "placeholder"]
        _require_equal_widths(own, tasks, encoders)
        for node in own:
            copied = copy_node(graph, node, {one: known[tasks[0]][one.name] for one in node.all_input_nodes}, prefix)
            for name in tasks:
                known[name][node.name] = copied
    graph.output(tuple(_features_of(name, encoders[name], heads, known[name]) for name in architecture.task_names))
    joined = fx.GraphModule(root, graph)
    joined.graph.eliminate_dead_code()
    joined.delete_all_unused_submodules()
    joined.recompile()
    return joined


def _inputs(encoder: fx.GraphModule) -> list[fx.Node]:
    return [node for node in encoder.graph.nodes if node.op == "placeholder"]


def _require_equal_widths(
    nodes: Sequence[fx.Node], tasks: Sequence[str], encoders: Mapping[str, fx.GraphModule]
) -> None:
    for name in tasks[1:]:
        shapes = {node.name: node.meta.get("batched_shape") for node in encoders[name].graph.nodes}
        for node in nodes:
            if (other := shapes[node.name]) != node.meta["batched_shape"]:
                raise SpaceError(
                    f"Cannot build a tree: {tasks[0]} and {name} share {node.name} at one width "
                    f"(found {node.meta['batched_shape']} and {other}).",
                    hint="Give tasks that share a segment the same channels there.",
                )


def _features_of(
    task: str, encoder: fx.GraphModule, heads: TaskModules, values: Mapping[str, fx.Node]
) -> list[fx.Node | None]:
    """Return the values of a task's features, with None in the place of those that its decoder does not read."""
    read = read_features(encoder, TaskModules(heads.task_names, {task: heads[task]}))
    return [values[node.name] if index in read else None for index, node in enumerate(encoder_features(encoder))]
