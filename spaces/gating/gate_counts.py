"""GateCounts: the number of channels that each task keeps for itself, site by site, as a heat map needs them."""

import math
from dataclasses import dataclass

from gatefront.spaces.gating.gate_map import UNREAD, GateMap

NOT_READ = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCounts:
    """Counts of one gate site. ``own[t]`` of its ``num_channels`` channels are task ``t``'s own.

    ``own[t]`` is :data:`NOT_READ` where the task's predictions do not depend on the site. ``flops_per_channel`` is the
    mean cost of computing one channel in one branch.
    """

    name: str
    num_channels: int
    flops_per_channel: float
    own: tuple[int, ...]

    def own_fraction(self, task_index: int) -> float:
        """Return the fraction of this site's channels that the task keeps for itself, 0..1, or NaN if it reads none."""
        own = self.own[task_index]
        return math.nan if own == NOT_READ else own / self.num_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCounts:
    """Counts of all gate sites of one network, in depth order. ``tasks[t]`` names entry ``t`` of every site."""

    tasks: tuple[str, ...]
    sites: tuple[SiteCounts, ...]

    @classmethod
    def of(cls, gate_map: GateMap) -> "GateCounts":
        """Return the counts of a gate map, which do not say which channels they are."""
        sites = (
            SiteCounts(
                name=site.name,
                num_channels=site.num_channels,
                flops_per_channel=site.flops_per_channel,
                own=tuple(NOT_READ if row.startswith(UNREAD) else row.count("1") for row in site.own),
            )
            for site in gate_map.sites
        )
        return cls(tasks=gate_map.tasks, sites=tuple(sites))

    def own_share(self, task_index: int) -> float:
        """Return the fraction of channels that the task keeps for itself, 0..1, over all sites that it reads."""
        read = [site for site in self.sites if site.own[task_index] != NOT_READ]
        return sum(site.own[task_index] for site in read) / max(1, sum(site.num_channels for site in read))
