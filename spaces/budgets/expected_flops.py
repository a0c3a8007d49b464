"""Expected cost of a network while its gates are still undecided, as a differentiable number."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gatefront.spaces.gating.channel_gate import ChannelGate
from gatefront.spaces.networks.cost_model import CostModel


def expected_flops(
    cost: CostModel, gates: Sequence[ChannelGate], *, temperature: float = 1.0, pressure: Tensor | None = None
) -> Tensor:
    """Return the mean of :meth:`CostModel.flops` over gates that open independently.

    A gate opens with ``p = sigmoid(alpha / temperature)``. A channel costs ``kappa (sum_t p_t + 1 - prod_t p_t)`` over
    its readers, where ``1 - prod_t p_t`` is the part of the shared branch. As the temperature falls, every ``p`` goes
    to 0 or 1 and the result to the cost of the hard gates. The result is a scalar in double precision, differentiable
    in the gate logits. ``pressure`` ``[tasks]`` scales the gradient, not the value, on each task's gates.
    """
    p = [torch.sigmoid(gate.alpha.double() / temperature) for gate in gates]
    if pressure is not None:
        p = [_with_gradient_scaled(probability, pressure[:, None]) for probability in p]
    # A task that is no reader runs nothing here, and asks nothing of the shared branch.
    own = [gate.of_readers(probability) for probability, gate in zip(p, gates, strict=True)]
    unasked = [gate.of_readers(probability, otherwise=1.0) for probability, gate in zip(p, gates, strict=True)]
    total = p[0].new_tensor(float(sum(cost.heads.values())))
    for gate, site, mine, one in zip(gates, cost.sites, own, unasked, strict=True):
        branches = mine.sum(dim=0) + 1 - one.prod(dim=0)
        total = total + site.channel_flops * (gate.group_channels().to(branches) * branches).sum()
    for whole in cost.whole_costs:
        mine = torch.cat([own[index] for index in whole.sites], dim=1)
        one = torch.cat([unasked[index] for index in whole.sites], dim=1)
        # A task runs such a layer for its first open gate; the shared branch runs it unless all gates are open.
        total = total + whole.flops * ((1 - (1 - mine).prod(dim=1)).sum() + 1 - one.prod())
    return total


def _with_gradient_scaled(value: Tensor, scale: Tensor) -> Tensor:
    return scale * value + (1 - scale) * value.detach()
