"""GateMap: the channels that each task keeps for itself, site by site, as views and bundles show them."""

import math
from dataclasses import dataclass

UNREAD = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSite:
    """Gate site, one entry of a network's sites in depth order.

    ``own[t]`` is a string of one character per channel. It is ``1`` where task ``t`` keeps its own channel and ``0``
    where it takes the shared one. It is :data:`UNREAD` where the task's predictions do not depend on the site.
    ``flops_per_channel`` is the mean cost of computing one channel of this site in one branch.
    """

    name: str
    own: tuple[str, ...]
    flops_per_channel: float

    @property
    def num_channels(self) -> int:
        return len(self.own[0])

    def own_fraction(self, task_index: int) -> float:
        """Return the fraction of this site's channels that the task keeps for itself, 0..1, or NaN if it reads none."""
        row = self.own[task_index]
        return math.nan if row.startswith(UNREAD) else row.count("1") / self.num_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMap:
    """All gate sites of one network. ``tasks[t]`` names row ``t`` of every site."""

    tasks: tuple[str, ...]
    sites: tuple[GateSite, ...]

    def own_fractions(self) -> list[list[float]]:
        """Return ``[site][task]``: the fraction of own channels, which the heat map shows."""
        return [[site.own_fraction(t) for t in range(len(self.tasks))] for site in self.sites]
