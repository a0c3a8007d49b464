"""SharedNetwork: one encoder, one decoder per task. With one task it is the single-task reference."""

from collections.abc import Sequence

from torch import Tensor, fx, nn

from gatefront.spaces.architecture import Architecture
from gatefront.spaces.decoders import build_decoder
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.networks.encoder import build_encoder, feature_shapes
from gatefront.spaces.networks.task_modules import TaskModules


class SharedNetwork(nn.Module):
    """``images [batch, c, h, w] -> {task: prediction}``, all decoders reading the same features.

    Classification predicts logits ``[batch, classes]``, a dense task ``[batch, outputs, height, width]``.
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
    """A network with one encoder for the named tasks; None means all of them (hard sharing).

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
    return SharedNetwork(architecture, encoder, build_heads(architecture, encoder, names))


def build_heads(architecture: Architecture, encoder: fx.GraphModule, names: Sequence[str]) -> TaskModules:
    """One decoder per named task, in the architecture's task order."""
    shapes = feature_shapes(encoder)
    decoders = {
        task.name: build_decoder(task, architecture, shapes) for task in architecture.tasks if task.name in names
    }
    return TaskModules(architecture.task_names, decoders)
