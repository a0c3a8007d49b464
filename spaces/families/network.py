"""FamilyNetwork: the common form of all families of multi-task networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.networks.segments import SegmentedRun
from gatefront.spaces.networks.shared_network import build_heads
from gatefront.spaces.networks.task_modules import TaskModules, with_positions

PER_TASK, MASKS = "tasks", "masks_"
"""Children of a family's encoder that hold one module per task: one with this name, and all with this prefix."""


class FamilyNetwork(nn.Module):
    """Network ``images [batch, c, h, w] -> {task: prediction}`` with own features and one decoder for every task.

    Families differ in ``encoder``, a graph ``images -> one list of features per task``, in task order. The decoders are
    those of :class:`gatefront.spaces.networks.shared_network.SharedNetwork`. ``settings`` holds the other arguments of
    the builder, as plain JSON. The architecture and the settings together build the network again.
    """

    def __init__(
        self,
        architecture: Architecture,
        encoder: fx.GraphModule,
        heads: TaskModules,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.settings = dict(settings or {})
        self.encoder = encoder
        self.heads = heads
        self._segmented: SegmentedRun | None = None
        self.register_load_state_dict_pre_hook(_use_positions)  # type: ignore[no-untyped-call]

    @property
    def task_names(self) -> tuple[str, ...]:
        return self.architecture.task_names

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        recompute = self.training and torch.is_grad_enabled()
        encode = self._segmented if recompute and self._segmented is not None else self.encoder
        features: tuple[Any, ...] = encode(images)
        return {name: self.heads[name](own) for name, own in zip(self.task_names, features, strict=True)}

    def checkpoint_activations(self) -> None:
        """Keep few of the encoder's values in training, and compute the rest again in the backward pass."""
        self._segmented = SegmentedRun(self.encoder)

    def mixing_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that decide how tasks mix. Most families have none.

        They have their own learning rate and no weight decay.
        """
        return []

    def load_references(
        self, single_task: Mapping[str, Mapping[str, Tensor]], hard_sharing: Mapping[str, Tensor] | None
    ) -> None:
        """Load trained networks of the same architecture.

        Both arguments hold state dicts of :class:`gatefront.spaces.networks.shared_network.SharedNetwork`.

        Raises:
            SpaceError: the family starts from no reference, or from one that is missing.
        """
        raise SpaceError(
            f"{type(self).__name__} starts from no reference network: its layers have other shapes.",
            hint="Ask Family.starts_from before loading.",
        )


def build_parts(architecture: Architecture) -> tuple[fx.GraphModule, TaskModules]:
    """Build one traced encoder and one decoder per task, from which every family is made.

    Raises:
        SpaceError: the backbone is unknown, cannot be traced or fits no decoder.
    """
    encoder = build_encoder(architecture)
    return encoder, build_heads(architecture, encoder, architecture.task_names)


def _use_positions(network: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Rename in place the modules per task that earlier versions called by the tasks' names."""
    if not isinstance(network, FamilyNetwork):
        return
    for name, _child in network.encoder.named_children():
        if name == PER_TASK or name.startswith(MASKS):
            renamed = with_positions(state, f"{prefix}encoder.{name}.", network.task_names)
            state.clear()
            state.update(renamed)


def part_of_state(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries whose names start with ``prefix``, without the prefix."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def state_of_task(single_task: Mapping[str, Mapping[str, Tensor]], name: str) -> Mapping[str, Tensor]:
    """Return the state of one task's single-task network.

    Raises:
        SpaceError: there is none.
    """
    if name not in single_task:
        raise SpaceError(
            f"single_task has no network of task {name!r}, only of {', '.join(single_task) or 'none'}.",
            hint="Train the single-task references of all tasks first.",
        )
    return single_task[name]
