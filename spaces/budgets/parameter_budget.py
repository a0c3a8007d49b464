"""A cap on the pruned network's parameters beside the one on its FLOPs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gatefront.spaces.budgets.flop_budget import project_to_budget
from gatefront.spaces.errors import BudgetBelowFloorError
from gatefront.spaces.graph.flop_counter import count_parameters
from gatefront.spaces.networks.cost_model import GatePattern
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.spaces.pruning.prune import prune_network

_PRECISION = 512  # steps between the floor and the FLOP budget that a search can tell apart


def project_to_budgets(
    network: InterroGateNetwork,
    flop_budget: int,
    *,
    param_budget: int | None,
    importance: Sequence[Tensor] | None = None,
    openable: GatePattern | None = None,
) -> GatePattern:
    """:func:`project_to_budget` with the most FLOPs that leave the pruned network at most ``param_budget`` values.

    Parameters are counted on the pruned network itself, so what is promised is what is delivered: the search halves
    the FLOPs left between sharing everything and the budget, and prunes once per step. The network must be on the CPU
    and in evaluation mode, and stays as it is.

    Raises:
        BudgetBelowFloorError: sharing everything still has more parameters, or costs more FLOPs.
    """

    def project(budget: int) -> GatePattern:
        return project_to_budget(network, budget, importance=importance, openable=openable)

    best = project(flop_budget)
    if param_budget is None or count_pruned_parameters(network, best) <= param_budget:
        return best
    floor = network.cost.floor
    best = project(floor)
    if (least := count_pruned_parameters(network, best)) > param_budget:
        raise BudgetBelowFloorError(
            f"param_budget = {param_budget:,} is under the {least:,} parameters of a network where all is shared.",
            hint="Raise it, or allow a smaller width, decoder_width or backbone.",
        )
    fits, too_much = 0, _PRECISION
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        pattern = project(floor + (flop_budget - floor) * middle // _PRECISION)
        if count_pruned_parameters(network, pattern) <= param_budget:
            fits, best = middle, pattern
        else:
            too_much = middle
    return best


@torch.no_grad()
def count_pruned_parameters(network: InterroGateNetwork, pattern: GatePattern) -> int:
    """Trainable values of the network pruned to ``pattern``; the network itself stays as it is."""
    logits = [gate.alpha.clone() for gate in network.channel_gates()]
    network.set_gate_pattern(pattern)
    count = count_parameters(prune_network(network))
    for gate, alpha in zip(network.channel_gates(), logits, strict=True):
        gate.alpha.copy_(alpha)
    network.set_gate_pattern(network.gate_pattern())
    return count
