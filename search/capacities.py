"""The capacities a study tries: every combination of [network], and what each one costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from search.config import NetworkSection
from search.knobs import listed
from spaces import Architecture, Task, build_gated_network, build_shared_network, count_flops, count_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """One architecture and its exact costs at the study's input size: FLOPs at 2 per multiply-add, batch 1.

    ``single_task`` is all single-task networks together, ``hard_sharing`` one shared encoder with all heads,
    ``encoder`` one encoder without heads, ``ceiling`` the gated network with every gate open, ``training``
    the gated network as it is trained, with all its branches. ``num_parameters`` is hard sharing's.
    """

    architecture: Architecture
    single_task: int
    hard_sharing: int
    ceiling: int
    encoder: int
    heads: dict[str, int]
    training: int
    num_parameters: int


def list_architectures(
    network: NetworkSection, tasks: Sequence[Task], in_channels: int, input_size: tuple[int, int]
) -> tuple[Architecture, ...]:
    """Every architecture that [network] names, in the order written."""
    return tuple(
        Architecture(
            backbone=str(backbone),
            tasks=tuple(tasks),
            in_channels=in_channels,
            input_size=input_size,
            stem=network.stem,
            width=float(width),
            head_width=int(head_width),
            pretrained=network.pretrained,
        )
        for backbone, width, head_width in product(
            listed(network.backbone), listed(network.width), listed(network.head_width)
        )
    )


def measure_capacity(architecture: Architecture) -> Capacity:
    """Builds the networks once and counts. Raises ``SpaceError`` if the backbone is unknown or cannot be lifted."""
    gated = build_gated_network(architecture)
    cost = gated.cost
    return Capacity(
        architecture=architecture,
        single_task=cost.single_task,
        hard_sharing=cost.hard_sharing,
        ceiling=cost.ceiling,
        encoder=cost.encoder,
        heads=dict(cost.heads),
        training=count_flops(gated, (architecture.in_channels, *architecture.input_size)),
        num_parameters=count_parameters(build_shared_network(architecture)),
    )
