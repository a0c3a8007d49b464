"""Closing gates until the pruned network is at or under a FLOP budget."""

import torch
from torch import Tensor

from spaces.errors import BudgetBelowFloorError
from spaces.flops import CostModel, GatePattern
from spaces.interrogate import InterroGateNetwork


def close_gates_to_budget(network: InterroGateNetwork, flop_budget: int) -> GatePattern:
    """The network's gate pattern, cut to the budget; the network itself stays as it is.

    Open gates are closed in order of logit per FLOP saved, lowest first, exactly as many as needed; then
    gates whose channel all other tasks keep anyway are opened again, because they cost nothing.

    Raises:
        BudgetBelowFloorError: sharing everything still costs more than the budget.
    """
    cost, pattern = network.cost, network.gate_pattern()
    if cost.floor > flop_budget:
        raise BudgetBelowFloorError(
            f"flop_budget = {flop_budget:,} is under the floor of {cost.floor:,} FLOPs, where all is shared.",
            hint="Raise the budget, or allow a smaller width, decoder_width or backbone.",
        )
    if cost.flops(pattern) <= flop_budget:
        return pattern
    order = _closing_order(network, pattern)
    too_few, enough = 0, len(order)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if cost.flops(_close(network, pattern, order[:middle])) <= flop_budget:
            enough = middle
        else:
            too_few = middle
    return _reopen_free(cost, _close(network, pattern, order[:enough]), pattern)


def _closing_order(network: InterroGateNetwork, pattern: GatePattern) -> Tensor:
    """Open gates as rows ``(site, task, group)``, cheapest loss per FLOP saved first, ties by position."""
    rows, scores = [], []
    for index, (gate, own, site) in enumerate(zip(network.channel_gates(), pattern, network.cost.sites, strict=True)):
        where = gate.per_group(own).nonzero()
        rows.append(torch.cat([torch.full((len(where), 1), index), where], dim=1))
        # A site of opaque layers only saves nothing by channel: it comes last, and then as a whole.
        saved = (site.channel_flops or 0.5) * gate.group_size
        scores.append(gate.alpha.detach().cpu()[gate.per_group(own)].double() / saved)
    return torch.cat(rows)[torch.cat(scores).sort(stable=True).indices]


def _close(network: InterroGateNetwork, pattern: GatePattern, rows: Tensor) -> GatePattern:
    closed = []
    for index, (gate, own) in enumerate(zip(network.channel_gates(), pattern, strict=True)):
        open_groups = gate.per_group(own).clone()
        here = rows[rows[:, 0] == index]
        open_groups[here[:, 1], here[:, 2]] = False
        closed.append(gate.per_channel(open_groups))
    return tuple(closed)


def _reopen_free(cost: CostModel, cut: GatePattern, wanted: GatePattern) -> GatePattern:
    """Open again what was wanted and where T-1 tasks are open already: T open cost the same as T-1."""
    reopened = tuple(
        own | (before & (own.sum(dim=0) == own.shape[0] - 1)) for own, before in zip(cut, wanted, strict=True)
    )
    return reopened if cost.flops(reopened) <= cost.flops(cut) else cut
