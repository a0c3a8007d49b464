"""FLOPs, the one number of gatefront, counted on a module or computed from gates."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gatefront.spaces.networks.lifting import Site, WholeCost

GatePattern = tuple[Tensor, ...]
"""Bool tensors ``[tasks, channels]``, one per gate site, in depth order.

True means that the task keeps its own channel.
"""


@dataclass(frozen=True)
class CostModel:
    """Exact FLOPs of the pruned network for any gate pattern, without building it.

    A channel that ``n`` of its ``R`` readers keep for themselves costs ``n + 1[n < R]`` times one channel. The shared
    branch drops out only where no task reads it. So opening a gate never lowers the cost, and the last reader to open
    pays nothing. ``readers[site][task]`` is True if the task's predictions depend on the site. It is True for all tasks
    if every decoder reads features that all layers lead to. ``encoder`` is the cost of one branch with all layers.
    """

    sites: tuple[Site, ...]
    whole_costs: tuple[WholeCost, ...]
    readers: tuple[tuple[bool, ...], ...]
    encoder: int
    heads: dict[str, int]

    def flops(self, pattern: GatePattern) -> int:
        """Return the FLOPs of the network pruned to ``pattern``."""
        total = sum(self.heads.values())
        reads = [torch.tensor(of_site)[:, None] for of_site in self.readers]
        is_open = [own & may for own, may in zip(pattern, reads, strict=True)]
        is_shut = [~own & may for own, may in zip(pattern, reads, strict=True)]
        for site, own, shut in zip(self.sites, is_open, is_shut, strict=True):
            total += site.channel_flops * int(own.sum() + shut.any(dim=0).sum())
        for cost in self.whole_costs:
            own = torch.cat([is_open[index] for index in cost.sites], dim=1)
            shared = any(bool(is_shut[index].any()) for index in cost.sites)
            total += cost.flops * (int(own.any(dim=1).sum()) + int(shared))
        return total

    @property
    def num_tasks(self) -> int:
        return len(self.heads)

    @property
    def hard_sharing(self) -> int:
        """FLOPs of one encoder and all heads, with every gate shut."""
        return self._flops_of_all(is_open=False)

    @property
    def single_task(self) -> int:
        """FLOPs of one encoder per task and all heads, with every gate open."""
        return self._flops_of_all(is_open=True)

    def _flops_of_all(self, *, is_open: bool) -> int:
        """Return the FLOPs with all gates open or all shut.

        One channel of a site then represents all, and a layer costs as much as its channels.
        """
        total = sum(self.heads.values())
        for site, readers in zip(self.sites, self.readers, strict=True):
            total += site.channel_flops * site.num_channels * (sum(readers) if is_open else any(readers))
        for cost in self.whole_costs:
            reading = [any(of_task) for of_task in zip(*(self.readers[index] for index in cost.sites), strict=True)]
            total += cost.flops * (sum(reading) if is_open else any(reading))
        return total

    @property
    def floor(self) -> int:
        return self.hard_sharing

    @property
    def ceiling(self) -> int:
        return self.single_task
