"""Projection to a FLOP budget: the best gate pattern at or under it, along an order of importance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gatefront.spaces.errors import BudgetBelowFloorError
from gatefront.spaces.networks.cost_model import GatePattern
from gatefront.spaces.networks.interrogate import InterroGateNetwork

# In numpy: a ResNet-50 of five tasks has 114,000 gates, and its sorting and indexing are faster on one core.
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def project_to_budget(
    network: InterroGateNetwork,
    flop_budget: int,
    *,
    importance: Sequence[Tensor] | None = None,
    openable: GatePattern | None = None,
) -> GatePattern:
    """Open gates in order of importance per FLOP, and skip each that does not fit the budget.

    The network itself stays unchanged. The result costs at most the budget, and no openable gate would still fit under
    it. The last task to open a channel pays nothing, so such gates open too. The same input gives the same result. If
    no layer runs whole, a larger budget never gives a cheaper result. The shared branch of a layer that runs whole
    drops out at once when the last gate behind it opens.

    Args:
        network: the gated network.
        flop_budget: the most FLOPs that the result may cost.
        importance: the gain of a task from its own channels, ``[tasks, groups]`` per site. A negative gain opens last,
            the cheapest first. None means the gate logits.
        openable: the gates that may open. None means all.

    Raises:
        BudgetBelowFloorError: sharing everything still costs more than the budget.
    """
    cost = network.cost
    if cost.floor > flop_budget:
        raise BudgetBelowFloorError(
            f"flop_budget = {flop_budget:,} is under the floor of {cost.floor:,} FLOPs, where all is shared.",
            hint="Raise the budget, or allow a smaller width, decoder_width or backbone.",
        )
    gates = _list_gates(network, importance, openable)
    everything = _as_pattern(network, gates, np.ones(len(gates.unit), bool))
    if cost.flops(everything) <= flop_budget:
        return everything  # on the way there, layers that run whole may have cost more
    return _as_pattern(network, gates, _open_what_fits(gates, flop_budget - cost.floor))


def close_gates_to_budget(network: InterroGateNetwork, flop_budget: int) -> GatePattern:
    """Return the network's own gate pattern, or its projection to the budget if it costs more.

    Raises:
        BudgetBelowFloorError: sharing everything still costs more than the budget.
    """
    pattern = network.gate_pattern()
    if network.cost.flops(pattern) <= flop_budget:
        return pattern
    return project_to_budget(network, flop_budget, openable=pattern)


@dataclass(frozen=True, slots=True)
class _Gates:
    """All openable gates in the order in which they are tried, one entry each.

    ``unit`` numbers the channel groups of all sites. Gates of one unit belong to different tasks and the same channels.
    ``places`` ``[units, tasks]`` holds the positions of each unit's gates in the order, ascending. A missing gate has
    the number of gates as its position. ``readers`` counts the tasks that read the gate's unit. ``cost`` is the cost of
    a group's channels in one branch. ``whole`` ``[whole costs][gates]`` marks the gates behind layers that run whole.
    ``whole_gates`` counts these gates, openable or not.
    """

    task: Ints
    unit: Ints
    places: Ints
    readers: Ints
    cost: Ints
    whole: list[Bools]
    whole_cost: list[int]
    whole_gates: list[int]

    @property
    def num_tasks(self) -> int:
        return int(self.places.shape[1])


def _list_gates(
    network: InterroGateNetwork, importance: Sequence[Tensor] | None, openable: GatePattern | None
) -> _Gates:
    columns, scores, widths = [], [], [0]
    for index, (gate, site) in enumerate(zip(network.channel_gates(), network.cost.sites, strict=True)):
        benefit = (gate.alpha.detach().cpu() if importance is None else importance[index]).double().numpy()
        may_open = np.broadcast_to(gate.readers.cpu().numpy()[:, None], benefit.shape)
        if openable is not None:
            may_open = may_open & gate.per_group(openable[index]).numpy()
        task, group = np.nonzero(may_open)
        cost = (gate.group_channels() * site.channel_flops).numpy()[group]
        # Gates of layers that run whole cost nothing by channel; among themselves they are tried in order of benefit.
        price, value = np.maximum(cost, 0.5), benefit[task, group]
        scores.append(np.where(value >= 0, value / price, value * price))
        readers = np.full(len(task), int(gate.readers.sum()))
        columns.append(np.stack([task, group + sum(widths), cost, readers]))
        widths.append(benefit.shape[1])
    order = np.argsort(-np.concatenate(scores), kind="stable")
    task, unit, cost, readers = np.concatenate(columns, axis=1)[:, order]
    places = np.full((sum(widths), network.cost.num_tasks), len(task))
    places[unit, task] = np.arange(len(task))
    site_of = np.repeat(np.arange(len(widths) - 1), widths[1:])[unit]
    wholes = network.cost.whole_costs
    return _Gates(
        task=task,
        unit=unit,
        places=np.sort(places, axis=1),
        readers=readers,
        cost=cost,
        whole=[np.isin(site_of, whole.sites) for whole in wholes],
        whole_cost=[whole.flops for whole in wholes],
        whole_gates=[sum(network.channel_gates()[i].num_gates for i in whole.sites) for whole in wholes],
    )


def _open_what_fits(gates: _Gates, budget: int) -> Bools:
    """Return a mask ``[gates]`` after opening each gate that fits, in order, until a round changes nothing.

    A second round is needed because a gate may cost less, or nothing, once the others of its channels are open.
    """
    is_open = np.zeros(len(gates.unit), bool)
    left, num_open = budget, -1
    while int(is_open.sum()) > num_open:
        num_open = int(is_open.sum())
        left = _one_round(gates, is_open, left)
    return is_open


def _one_round(gates: _Gates, is_open: Bools, left: int) -> int:
    """Open the gates that fit in place, and return the rest of the budget.

    Many gates open at a time, with the result of trying one after the other.
    """
    position = 0
    while True:
        fits = ~is_open & (_marginal_costs(gates, is_open) <= left)
        fits[:position] = False
        fitting = np.flatnonzero(fits)
        running = _marginal_costs(gates, is_open, together=fits)[fitting].cumsum()
        too_much = np.flatnonzero(running > left)
        num_taken = int(too_much[0]) if len(too_much) else len(fitting)
        if num_taken:
            is_open[fitting[:num_taken]] = True
            left -= int(running[num_taken - 1])
        if num_taken == len(fitting):
            return left
        position = int(fitting[num_taken]) + 1


def _marginal_costs(gates: _Gates, is_open: Bools, *, together: Bools | None = None) -> Ints:
    """Return the FLOPs that each gate adds to the open gates.

    With ``together``, the gates of this mask that come before a gate count as open for it.
    """
    opened = np.bincount(gates.unit[is_open], minlength=len(gates.places))[gates.unit]
    if together is not None:
        opened = opened + _earlier_of_unit(gates, together)
    # n readers with a channel of their own cost n + 1[n < R] of it: the last one pays nothing.
    marginal = np.where(opened < gates.readers - 1, gates.cost, 0)
    for behind, flops, num_gates in zip(gates.whole, gates.whole_cost, gates.whole_gates, strict=True):
        open_behind = is_open & behind
        paid = np.bincount(gates.task[open_behind], minlength=gates.num_tasks) > 0
        first = behind & ~paid[gates.task]
        before = open_behind.sum() + np.zeros(len(first), int)
        if together is not None:
            first = _first_of_each_task(gates, first & together)
            before = before + (behind & together).cumsum() - 1
        # A task pays with the first gate it opens; with the very last one nobody reads the shared branch any more.
        marginal = marginal + flops * first - flops * (behind & (before == num_gates - 1))
    return marginal


def _earlier_of_unit(gates: _Gates, counted: Bools) -> Ints:
    """Return for every gate the number of ``counted`` gates that come before it for the same channels."""
    # One entry more, for the places where a unit has no gate.
    by_unit = np.append(counted, False)[gates.places]
    earlier = np.empty(len(counted) + 1, int)
    earlier[gates.places] = by_unit.cumsum(axis=1) - by_unit
    return earlier[:-1]


def _first_of_each_task(gates: _Gates, asked: Bools) -> Bools:
    first = np.zeros_like(asked)
    for task in range(gates.num_tasks):
        found = np.flatnonzero(asked & (gates.task == task))
        first[found[:1]] = True
    return first


def _as_pattern(network: InterroGateNetwork, gates: _Gates, is_open: Bools) -> GatePattern:
    open_units = np.zeros((gates.num_tasks, len(gates.places)), bool)
    open_units[gates.task[is_open], gates.unit[is_open]] = True
    layers = network.channel_gates()
    by_site = torch.split(torch.from_numpy(open_units), [gate.alpha.shape[1] for gate in layers], dim=1)
    return tuple(gate.per_channel(open_groups) for gate, open_groups in zip(layers, by_site, strict=True))
