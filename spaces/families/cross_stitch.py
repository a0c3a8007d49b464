"""Cross-stitch networks: single-task networks whose features are mixed, channel by channel, after every stage.

Misra, Shrivastava, Gupta and Hebert, "Cross-stitch Networks for Multi-task Learning" (arXiv 1604.03539).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.network import FamilyNetwork, build_parts
from gatefront.spaces.families.side_by_side import join_encoders, load_single_task
from gatefront.spaces.families.stages import find_stages

OWN_SHARE = 0.9
"""Initial weight of a task's own feature, from the public code of the multi-task survey (Vandenhende et al.)."""


class CrossStitchNetwork(FamilyNetwork):
    """Network with ``x_i <- sum_j A_ij * x_j`` after every stage, with one ``A`` per stage and channel."""

    def mixing_parameters(self) -> list[nn.Parameter]:
        return [unit.mix for unit in self.modules() if isinstance(unit, CrossStitchUnit)]

    def load_references(
        self, single_task: Mapping[str, Mapping[str, Tensor]], hard_sharing: Mapping[str, Tensor] | None
    ) -> None:
        """Start every task from its single-task network, as in the paper."""
        load_single_task(self, single_task)


class CrossStitchUnit(nn.Module):
    """Mixture ``x_1, .., x_T -> x_1', .., x_T'`` by ``mix`` ``[tasks, tasks, channels]``, row i for task i's value."""

    def __init__(self, num_tasks: int, num_channels: int, *, channel_axis: int, own_share: float) -> None:
        super().__init__()
        self.channel_axis = channel_axis
        mix = torch.full((num_tasks, num_tasks), (1 - own_share) / max(1, num_tasks - 1))
        mix.fill_diagonal_(own_share if num_tasks > 1 else 1.0)
        self.mix = nn.Parameter(mix[:, :, None].repeat(1, 1, num_channels))

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        shape = [1] * values[0].dim()
        shape[self.channel_axis] = -1
        mixed = []
        for i in range(len(values)):
            total = values[0] * self.mix[i, 0].view(shape)
            for j, value in enumerate(values[1:], start=1):
                total = total + value * self.mix[i, j].view(shape)
            mixed.append(total)
        return tuple(mixed)


def build_cross_stitch(architecture: Architecture, *, own_share: float = OWN_SHARE) -> CrossStitchNetwork:
    """Build a cross-stitch network.

    ``own_share`` is the initial ``A_ii``. The other tasks begin with equal parts of the rest.

    Raises:
        SpaceError: the backbone has no stages, or ``own_share`` is not within 0..1.
    """
    if not 0 <= own_share <= 1:
        raise SpaceError(f"own_share must be between 0 and 1, found {own_share}.")
    encoder, heads = build_parts(architecture)
    units = {
        stage.end.name: _unit(stage.end, len(architecture.tasks), own_share)
        for stage in find_stages(encoder, name=f"backbone {architecture.backbone!r}")
    }
    joined = join_encoders(encoder, architecture.task_names, units)
    return CrossStitchNetwork(architecture, joined, heads, {"own_share": own_share})


def _unit(end: fx.Node, num_tasks: int, own_share: float) -> CrossStitchUnit:
    axis = int(end.meta["channel_axis"])
    return CrossStitchUnit(num_tasks, int(end.meta["batched_shape"][axis]), channel_axis=axis, own_share=own_share)
