"""Fit of a tree's widths to a FLOP budget, part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import fx

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.families.fit_widths import encoder_slots
from gatefront.spaces.families.segments import Boundary, find_boundaries, segment_of_nodes
from gatefront.spaces.families.task_tree import TaskTree
from gatefront.spaces.families.width_fit import WidthSlot, fit_slots
from gatefront.spaces.graph.width_cost import CostTerm
from gatefront.spaces.networks.network_cost import NetworkCost

Part = tuple[int, tuple[str, ...]]
"""Segment and tasks of a part of a tree."""


@dataclass(frozen=True)
class TreeCosts:
    """Costs of all trees on one backbone. Building it traces the backbone once."""

    architecture: Architecture
    boundary: Boundary = "stage"
    channel_group: int = 1
    _terms: dict[Part, tuple[CostTerm, ...]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def network(self) -> NetworkCost:
        return NetworkCost(self.architecture)

    @cached_property
    def ends(self) -> list[str]:
        """Names of the nodes that end all segments but the last."""
        return find_boundaries(self.network.encoder, self.boundary, name=f"backbone {self.architecture.backbone!r}")

    @property
    def num_segments(self) -> int:
        return len(self.ends) + 1

    @cached_property
    def nodes(self) -> list[set[fx.Node]]:
        """Nodes of every segment."""
        return [{node for node, at in self._segments.items() if at == segment} for segment in range(self.num_segments)]

    @cached_property
    def group_segments(self) -> list[int]:
        """Segment in which every scalable group begins, where its width is chosen."""
        return [min(self._segments[node] for node in group.nodes) for group in self.network.widths.groups]

    def flops(self, tree: TaskTree, widths: Mapping[str, Sequence[int]], decoder_widths: Mapping[str, int]) -> int:
        """Return the exact FLOPs of a tree at these widths by task."""
        encoder = sum(self.network.widths.flops(widths[part[1][0]], self._terms_of(part)) for part in tree.parts())
        return encoder + sum(
            self.network.decoder_flops(
                task, widths[task.name], decoder_widths.get(task.name, self.architecture.decoder_width)
            )
            for task in self.architecture.tasks
        )

    @cached_property
    def _segments(self) -> Mapping[fx.Node, int]:
        return segment_of_nodes(self.network.encoder, self.ends)

    def _terms_of(self, part: Part) -> tuple[CostTerm, ...]:
        if part not in self._terms:
            segment, tasks = part
            self._terms[part] = self.network.encoder_terms(tasks, self.nodes[segment])
        return self._terms[part]


def fit_tree(
    costs: TreeCosts, tree: TaskTree, flop_budget: int, *, shares: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the settings of :func:`gatefront.spaces.families.tree.build_tree` that use up the budget.

    Args:
        costs: the costs of trees on this backbone.
        tree: the tasks of every segment.
        flop_budget: the most FLOPs of one forward pass, at 2 per multiply-add and batch 1.
        shares: relative widths by task, 1 by default. A part has the largest of its tasks' shares.

    Raises:
        BudgetBelowFloorError: the narrowest tree costs more; the message names its cost.
    """
    shares = shares or {}
    parts = tree.parts()
    slots, owners = _slots(costs, parts, shares)

    def by_task(values: Sequence[int]) -> tuple[dict[str, list[int]], dict[str, int]]:
        chosen = dict(zip(owners, values, strict=True))
        widths = {
            name: [
                chosen[segment, tree.group_of(segment, name), index]
                for index, segment in enumerate(costs.group_segments)
            ]
            for name in costs.architecture.task_names
        }
        return widths, {key[1][0]: value for key, value in chosen.items() if key[2] == _DECODER}

    values = fit_slots(slots, lambda values: costs.flops(tree, *by_task(values)), flop_budget)
    widths, decoder_widths = by_task(values)
    return {
        "partitions": tree.as_lists(),
        "ends": list(costs.ends),
        "widths": widths,
        "decoder_widths": decoder_widths or None,
    }


_DECODER = -1
"""Position of a task's decoder among the slots of its last part, in place of a group's."""


def _slots(
    costs: TreeCosts, parts: Sequence[Part], shares: Mapping[str, float]
) -> tuple[list[WidthSlot], list[tuple[int, tuple[str, ...], int]]]:
    """Return the slots of all parts and decoders, and for each its segment, tasks and group."""
    own = encoder_slots(costs.network, costs.architecture, costs.channel_group)
    slots: list[WidthSlot] = []
    owners: list[tuple[int, tuple[str, ...], int]] = []
    for segment, tasks in parts:
        share = max(shares.get(name, 1.0) for name in tasks)
        for index, begins in enumerate(costs.group_segments):
            if begins == segment:
                slots.append(replace(own[index], own=share * own[index].own))
                owners.append((segment, tasks, index))
    for task in costs.architecture.tasks:
        if task.is_dense:
            slots.append(WidthSlot(own=shares.get(task.name, 1.0) * costs.architecture.decoder_width))
            owners.append((costs.num_segments, (task.name,), _DECODER))
    return slots, owners
