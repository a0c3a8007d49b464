"""Projection to a budget of the pruned network's parameters beside the FLOP budget."""

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
    """Project to the most FLOPs, up to ``flop_budget``, that leave the pruned network at most ``param_budget`` values.

    ``param_budget`` None means no limit. Parameters are counted on the pruned network itself, so that the count is that
    of the delivered network. The search halves the FLOPs between sharing everything and the budget, and prunes once per
    step. The network must be on the CPU and in evaluation mode, and stays unchanged. The other arguments are those of
    :func:`project_to_budget`.

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
    """Return the number of trainable values of the network pruned to ``pattern``. The network itself is unchanged."""
    logits = [gate.alpha.clone() for gate in network.channel_gates()]
    network.set_gate_pattern(pattern)
    count = count_parameters(prune_network(network))
    for gate, alpha in zip(network.channel_gates(), logits, strict=True):
        gate.alpha.copy_(alpha)
    network.set_gate_pattern(network.gate_pattern())
    return count
