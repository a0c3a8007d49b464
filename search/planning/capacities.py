"""Capacities of a study: every combination of [network] with its costs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from gatefront.search.config.gates import GatesSection
from gatefront.search.config.parameters import listed_values
from gatefront.search.config.study_config import NetworkSection
from gatefront.spaces import Architecture, Task, build_gated_network, count_parameters
from gatefront.spaces.budgets.parameter_budget import count_pruned_parameters
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.networks.lifting import find_sites

CAPACITY_PARAMETERS = ("backbone", "resolution", "width", "decoder_width")
"""Keys of [network] that may list several values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Architecture with its exact costs at the study's input size, in FLOPs at 2 per multiply-add, batch 1.

    ``single_task`` is the cost of all single-task networks together. ``hard_sharing`` is the cost of one shared encoder
    with all decoders. ``encoder`` is the cost of one encoder, with the decoders' trunk if that is shared. ``decoders``
    holds what each task adds for itself behind the encoder. ``ceiling`` is the cost of the gated network with every
    gate open. ``training`` is the cost of the gated network in training, with all its branches. ``num_parameters``
    counts the parameters of hard sharing.
    """

    architecture: Architecture
    single_task: int
    hard_sharing: int
    ceiling: int
    encoder: int
    decoders: dict[str, int]
    training: int
    num_parameters: int


def list_architectures(
    network: NetworkSection, tasks: Sequence[Task], in_channels: int, input_size: tuple[int, int]
) -> tuple[Architecture, ...]:
    """List every architecture that [network] names, in the order written."""
    return tuple(
        Architecture(
            backbone=str(backbone),
            tasks=tuple(tasks),
            in_channels=in_channels,
            input_size=input_size,
            stem=network.stem,
            output_stride=network.output_stride,
            resolution=float(resolution),
            width=float(width),
            decoder=network.decoder,
            decoder_width=int(decoder_width),
            share_decoder=network.share_decoder,
            pretrained=network.pretrained,
            weights=None if network.weights is None else os.path.expanduser(network.weights),
        )
        for backbone, resolution, width, decoder_width in product(
            listed_values(network.backbone),
            listed_values(network.resolution),
            listed_values(network.width),
            listed_values(network.decoder_width),
        )
    )


def list_layouts(gates: GatesSection) -> tuple[GateLayout, ...]:
    """List every gate layout that [gates] names, in the order written. Raise ``SpaceError`` for an impossible one."""
    return tuple(
        GateLayout(granularity=granularity, channel_group=int(channel_group))
        for granularity, channel_group in product(gates.granularities, listed_values(gates.channel_group))
    )


def measure_capacity(architecture: Architecture, layouts: Sequence[GateLayout]) -> Capacity:
    """Build the network once and count its costs without running it. Costs do not depend on where gates sit.

    Raises:
        SpaceError: the backbone is unknown, cannot be lifted, or is too narrow for one of the layouts.
    """
    gated = build_gated_network(architecture, layouts[0])
    for layout in layouts[1:]:
        find_sites(gated.shared_encoder, layout)
    cost = gated.cost
    return Capacity(
        architecture=architecture,
        single_task=cost.single_task,
        hard_sharing=cost.hard_sharing,
        ceiling=cost.ceiling,
        encoder=cost.encoder,
        decoders=dict(cost.heads),
        training=cost.single_task + cost.encoder,  # in training the shared branch runs beside every task's own
        num_parameters=count_parameters(gated.shared_encoder) + count_parameters(gated.heads),
    )


def floor_parameters(capacity: Capacity) -> int:
    """Count the parameters of the capacity's smallest delivered network: everything shared, norms folded."""
    untrained = replace(capacity.architecture, pretrained=False, weights=None)
    gated = build_gated_network(untrained, initial_logit=-1.0).eval()
    return count_pruned_parameters(gated, gated.gate_pattern())
