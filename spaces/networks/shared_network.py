"""SharedNetwork: one encoder and one decoder per task. With one task it is the single-task reference."""

from collections.abc import Sequence

from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.decoders import build_decoder
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.networks.encoder import build_encoder, encoder_features, feature_shapes
from gatefront.spaces.networks.feature_readers import with_sources
from gatefront.spaces.networks.task_modules import TaskModules
from gatefront.spaces.tracing.trace import trace_head


class SharedNetwork(nn.Module):
    """Network ``images [batch, c, h, w] -> {task: prediction}`` whose decoders all read the same features.

    Classification predicts logits ``[batch, classes]``, and a dense task ``[batch, outputs, height, width]``.
    """

    def __init__(self, architecture: Architecture, encoder: fx.GraphModule, heads: TaskModules) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = encoder
        self.heads = heads

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(self.heads)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.encoder(images)
        return {name: head(features) for name, head in self.heads.items()}


def build_shared_network(architecture: Architecture, task_names: Sequence[str] | None = None) -> SharedNetwork:
    """Build a network with one encoder for the named tasks. None means all of them (hard sharing).

    Layers that lead to no feature that one of these tasks reads are kept for their weights, and do not run.

    Raises:
        SpaceError: a name is not a task of the architecture, or the backbone cannot be built.
    """
    names = architecture.task_names if task_names is None else tuple(task_names)
    unknown = [name for name in names if name not in architecture.task_names]
    if unknown or not names:
        raise SpaceError(
            f"task_names {list(names)} must be tasks of the architecture.",
            hint=f"It has {', '.join(architecture.task_names)}.",
        )
    encoder = build_encoder(architecture)
    heads = build_heads(architecture, encoder, names)
    _leave_out_unread_features(encoder, heads)
    return SharedNetwork(architecture, encoder, heads)


def build_heads(architecture: Architecture, encoder: fx.GraphModule, names: Sequence[str]) -> TaskModules:
    """Build one decoder per named task, in the architecture's task order."""
    shapes = feature_shapes(encoder)
    decoders = {
        task.name: build_decoder(task, architecture, shapes) for task in architecture.tasks if task.name in names
    }
    return TaskModules(architecture.task_names, decoders)


def trace_heads(encoder: fx.GraphModule, heads: TaskModules) -> dict[str, fx.Graph]:
    """Return the annotated graph of each task's decoder, by task."""
    shapes = feature_shapes(encoder)
    return {name: trace_head(head, shapes, name=f"decoder {name}").graph for name, head in heads.items()}


def read_features(encoder: fx.GraphModule, heads: TaskModules) -> set[int]:
    """Return the positions of the features that one of the heads reads."""
    returned = encoder_features(encoder)
    # Every decoder reads the last feature. Tracing the heads takes longer than all else here, and is rarely needed.
    behind_the_last = with_sources(frozenset(returned[-1:]))
    if all(node in behind_the_last for node in encoder.graph.nodes if node.meta.get("flops")):
        return set(range(len(returned)))
    graphs = trace_heads(encoder, heads).values()
    return {node.meta["feature_index"] for head in graphs for node in head.nodes if node.op == "placeholder"}


def _leave_out_unread_features(encoder: fx.GraphModule, heads: TaskModules) -> None:
    """Put None in the place of features that no head reads, so that the others keep their places."""
    returned, read = encoder_features(encoder), read_features(encoder, heads)
    if len(read) == len(returned):
        return
    output = next(node for node in reversed(encoder.graph.nodes) if node.op == "output")
    output.args = ([node if index in read else None for index, node in enumerate(returned)],)
    encoder.graph.eliminate_dead_code()
    encoder.recompile()
