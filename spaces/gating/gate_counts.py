"""GateCounts: how many of its channels each task keeps for itself, site by site. All that a heat map needs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gatefront.spaces.gating.gate_map import GateMap


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCounts:
    """One gate site, in depth order. ``own[t]`` of its ``num_channels`` channels are task ``t``'s own.

    ``flops_per_channel`` is the mean cost of computing one of them in one branch.
    """

    name: str
    num_channels: int
    flops_per_channel: float
    own: tuple[int, ...]

    def own_fraction(self, task_index: int) -> float:
        """Fraction of this site's channels that the task keeps for itself, 0..1."""
        return self.own[task_index] / self.num_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCounts:
    """All gate sites of one network; ``tasks[t]`` names entry ``t`` of every site."""

    tasks: tuple[str, ...]
    sites: tuple[SiteCounts, ...]

    @classmethod
    def of(cls, gate_map: GateMap) -> "GateCounts":
        """The same network without saying which channels they are."""
        sites = (
            SiteCounts(
                name=site.name,
                num_channels=site.num_channels,
                flops_per_channel=site.flops_per_channel,
                own=tuple(row.count("1") for row in site.own),
            )
            for site in gate_map.sites
        )
        return cls(tasks=gate_map.tasks, sites=tuple(sites))

    def own_share(self, task_index: int) -> float:
        """Fraction of all channels of all sites that the task keeps for itself, 0..1."""
        return sum(site.own[task_index] for site in self.sites) / sum(site.num_channels for site in self.sites)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "GateCounts":
        sites = tuple(
            SiteCounts(
                name=site["name"],
                num_channels=int(site["num_channels"]),
                flops_per_channel=float(site["flops_per_channel"]),
                own=tuple(site["own"]),
            )
            for site in document["sites"]
        )
        return cls(tasks=tuple(document["tasks"]), sites=sites)
