"""The one number of gatefront: FLOPs, counted on a module or computed from gates."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gatefront.spaces.networks.lifting import Site, WholeCost

GatePattern = tuple[Tensor, ...]
"""One bool tensor ``[tasks, channels]`` per gate site, in depth order; True: the task keeps its own channel."""


@dataclass(frozen=True)
class CostModel:
    """Exact FLOPs of the pruned network for any gate pattern, without building it.

    A channel that ``n`` of ``T`` tasks keep for themselves costs ``n + 1[n < T]`` times one channel: the
    shared branch drops out only where no task reads it. So opening a gate never lowers the cost, and the
    last task to open pays nothing.
    """

    sites: tuple[Site, ...]
    whole_costs: tuple[WholeCost, ...]
    encoder: int
    heads: dict[str, int]

    def flops(self, pattern: GatePattern) -> int:
        """FLOPs of the network pruned to ``pattern``."""
        total = sum(self.heads.values())
        for site, own in zip(self.sites, pattern, strict=True):
            n = own.sum(dim=0)
            total += site.channel_flops * int(n.sum() + (n < own.shape[0]).sum())
        for cost in self.whole_costs:
            own = torch.cat([pattern[index] for index in cost.sites], dim=1)
            total += cost.flops * (int(own.any(dim=1).sum()) + int(not own.all()))
        return total

    @property
    def num_tasks(self) -> int:
        return len(self.heads)

    @property
    def hard_sharing(self) -> int:
        """One encoder and all heads: every gate shut."""
        return self.encoder + sum(self.heads.values())

    @property
    def single_task(self) -> int:
        """One encoder per task and all heads: every gate open."""
        return self.num_tasks * self.encoder + sum(self.heads.values())

    @property
    def floor(self) -> int:
        return self.hard_sharing

    @property
    def ceiling(self) -> int:
        return self.single_task
