"""Fit of a family's layer widths to a FLOP budget."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.families.registry import build_family
from gatefront.spaces.families.width_fit import ENOUGH, CostOfWidths, WidthSlot, fit_slots
from gatefront.spaces.graph.flop_counter import count_flops
from gatefront.spaces.networks.encoder import image_shape
from gatefront.spaces.networks.network_cost import NetworkCost


def fit_widths(
    architecture: Architecture,
    family: str,
    flop_budget: int,
    *,
    settings: Mapping[str, Any] | None = None,
    channel_group: int = 1,
    cost: NetworkCost | None = None,
) -> Architecture:
    """Return the architecture with the layer widths at which a family's network uses up the budget.

    The widths keep the proportions of the backbone at width 1. Dense tasks' ``decoder_width`` is scaled with them.
    Pretrained layers are not widened. The network never costs more than the budget. It uses at least 98 % of it, unless
    one step of any layer would exceed the budget.

    Args:
        architecture: backbone, tasks and decoders.
        family: name of the family.
        flop_budget: the most FLOPs of one forward pass, at 2 per multiply-add and batch 1.
        settings: settings of the family's builder.
        channel_group: number of channels of which every width is a multiple.
        cost: the costs of this backbone, if they are at hand.

    Raises:
        BudgetBelowFloorError: the narrowest network costs more; the message names its cost.
        SpaceError: the family does not work on this backbone, or no layer's width can be changed.
    """
    cost = cost or NetworkCost(architecture)
    slots = encoder_slots(cost, architecture, channel_group)
    if family == "etr-nlp":
        slots = [replace(slot, least_steps=2) for slot in slots]  # one channel cannot be divided
    scales_decoder = any(task.is_dense for task in architecture.tasks)
    if scales_decoder:
        slots.append(WidthSlot(own=architecture.decoder_width))

    def at(widths: Sequence[int]) -> Architecture:
        return at_widths(
            architecture, widths[:-1] if scales_decoder else widths, widths[-1] if scales_decoder else None
        )

    if family in _ENCODER_COPIES:
        found = fit_slots(slots, _cost_of_copies(family, cost, at), flop_budget)
    else:
        found = fit_slots(slots, _cost_of_built(family, settings, at), flop_budget, enough=ENOUGH)
    return at(found)


def encoder_slots(cost: NetworkCost, architecture: Architecture, channel_group: int = 1) -> list[WidthSlot]:
    """Return a slot per scalable group of the backbone. Trained weights are not widened."""
    has_trained_weights = architecture.pretrained or architecture.weights is not None
    slots = []
    for group in cost.widths.groups:
        step = math.lcm(group.unit, channel_group)
        most = max(step, group.channels // step * step) if has_trained_weights else None
        slots.append(WidthSlot(own=group.channels, step=step, most=most))
    return slots


def at_widths(architecture: Architecture, layer_widths: Sequence[int], decoder_width: int | None) -> Architecture:
    """Return the architecture with other widths. A decoder width of None stays unchanged."""
    return replace(
        architecture,
        width=1.0,
        layer_widths=tuple(layer_widths),
        decoder_width=architecture.decoder_width if decoder_width is None else decoder_width,
    )


_ENCODER_COPIES = ("hard-sharing", "single-task", "cross-stitch", "lomt")
"""Families that consist of whole encoders and decoders, whose cost is known without building them.

LOMT is hard sharing before its layers are known, and costs no more afterwards.
"""


def _cost_of_copies(family: str, cost: NetworkCost, at: Callable[[Sequence[int]], Architecture]) -> CostOfWidths:
    tasks = cost.architecture.tasks
    parts = (
        [list(cost.architecture.task_names)] if family in ("hard-sharing", "lomt") else [[task.name] for task in tasks]
    )
    terms = [cost.encoder_terms(part) for part in parts]

    def flops(widths: Sequence[int]) -> int:
        architecture = at(widths)
        layers, decoder_width = architecture.layer_widths or (), architecture.decoder_width
        encoders = sum(cost.widths.flops(layers, one) for one in terms)
        decoders = sum(cost.decoder_flops(task, layers, decoder_width) for task in tasks)
        return encoders + len(parts) * cost.trunk_flops(layers, decoder_width) + decoders

    return flops


def _cost_of_built(
    family: str, settings: Mapping[str, Any] | None, at: Callable[[Sequence[int]], Architecture]
) -> CostOfWidths:
    known: dict[tuple[int, ...], int] = {}

    def flops(widths: Sequence[int]) -> int:
        key = tuple(widths)
        if key not in known:
            architecture = replace(at(widths), pretrained=False, weights=None)
            known[key] = count_flops(build_family(family, architecture, settings), image_shape(architecture))
        return known[key]

    return flops
