"""LOMT: one shared encoder, with every task's decoder attached to the layer that the task needs.

Upadhyay et al., "Giving each task what it needs -- leveraging structured sparsity for tailored multi-task learning"
(arXiv 2406.03048). :mod:`gatefront.spaces.families.attachment` finds the layers.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.decoders import build_decoder
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.attachment import attachment_places
from gatefront.spaces.families.network import FamilyNetwork
from gatefront.spaces.networks.encoder import build_encoder, encoder_features
from gatefront.spaces.networks.task_modules import TaskModules


class LomtNetwork(FamilyNetwork):
    """Network whose ``settings["attachments"]`` names, per task, the block of the encoder that its decoder reads."""


def build_lomt(architecture: Architecture, *, attachments: Mapping[str, str] | None = None) -> LomtNetwork:
    """Build an encoder as deep as the deepest of ``attachments``, ``{task: block}``.

    Without attachments (None) the network is hard sharing.

    Raises:
        SpaceError: the backbone has no blocks to attach to, a task has no attachment, or a decoder cannot read there.
    """
    encoder = build_encoder(architecture)
    places = {task.name: attachment_places(encoder, architecture, task) for task in architecture.tasks}
    if attachments is None:
        attachments = {name: found[-1].name for name, found in places.items()}
    _require_all_tasks(architecture.task_names, attachments)
    features: list[list[fx.Node]] = []
    heads: dict[str, nn.Module] = {}
    for task in architecture.tasks:
        place = _place_of(task, attachments[task.name], places[task.name])
        read = _features_up_to(encoder, place, is_last=place is places[task.name][-1])
        heads[task.name] = build_decoder(task, architecture, [_shape(node) for node in read])
        features.append(read)
    settings = {"attachments": dict(attachments)}
    decoders = TaskModules(architecture.task_names, heads)
    return LomtNetwork(architecture, _truncate(encoder, features), decoders, settings)


def _require_all_tasks(task_names: Iterable[str], attachments: Mapping[str, str]) -> None:
    missing = [name for name in task_names if name not in attachments]
    if missing or len(attachments) > len(list(task_names)):
        raise SpaceError(
            f"attachments must name every task once, {', '.join(task_names)}, found {', '.join(attachments) or 'none'}."
        )


def _place_of(task: Task, name: str, places: list[fx.Node]) -> fx.Node:
    for place in places:
        if place.name == name:
            return place
    raise SpaceError(
        f"task {task.name} cannot be attached to {name!r}.",
        hint=f"Choose from {', '.join(place.name for place in places)}.",
    )


def _features_up_to(encoder: fx.GraphModule, place: fx.Node, *, is_last: bool) -> list[fx.Node]:
    """Return the levels that ``place`` is computed from, and the value of ``place`` itself.

    For the last place all features of the encoder are returned.
    """
    features = encoder_features(encoder)
    if is_last:
        return features
    known = _with_sources(place)
    # A level may be the block's value after a norm or a reshape, which cost nothing and so are no block of their own.
    own = [feature for feature in features if feature is place or _only_behind(feature, place)]
    return [feature for feature in features if feature in known and feature is not place] + (own or [place])


def _only_behind(feature: fx.Node, place: fx.Node) -> bool:
    """Return True if no node with a cost is between the block and the feature, and the feature reads nothing else."""
    node = feature
    while node is not place:
        sources = [source for source in node.all_input_nodes if source.meta["has_tensor"]]
        if node.meta["flops"] or len(sources) != 1:
            return False
        (node,) = sources
    return True


def _with_sources(node: fx.Node) -> set[fx.Node]:
    found, waiting = {node}, [node]
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _shape(node: fx.Node) -> torch.Size:
    return torch.Size((1, *node.meta["shape"][1:]))


def _truncate(encoder: fx.GraphModule, features: list[list[fx.Node]]) -> fx.GraphModule:
    """Return ``images -> one list of features per task``, without the layers that no task needs."""
    output = next(node for node in reversed(encoder.graph.nodes) if node.op == "output")
    with encoder.graph.inserting_before(output):
        encoder.graph.output(tuple(features))
    encoder.graph.erase_node(output)
    encoder.graph.eliminate_dead_code()
    encoder.delete_all_unused_submodules()
    encoder.recompile()
    return encoder
