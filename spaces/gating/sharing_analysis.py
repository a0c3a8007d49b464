"""Analysis of sharing in a gate map: the work of each task alone, the work that tasks share, and where they part."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gatefront.spaces.gating.gate_map import UNREAD, GateMap, GateSite

_MOST_STAGES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFlops:
    """FLOPs of one site, or of several together: those of the shared branch, and those of each task alone.

    A channel of the shared branch is computed if any task takes it. Every channel counts at the mean cost of the site's
    channels. The pruned network's own count, which is exact, is lower where its inputs are narrower.
    """

    shared: float
    own: tuple[float, ...]

    @property
    def total(self) -> float:
        return self.shared + sum(self.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Neighbouring sites under one name, in depth order."""

    name: str
    sites: tuple[GateSite, ...]

    @property
    def flops(self) -> SiteFlops:
        found = [site_flops(site) for site in self.sites]
        return SiteFlops(
            shared=sum(flops.shared for flops in found),
            own=tuple(sum(values) for values in zip(*(flops.own for flops in found), strict=True)),
        )

    def is_read_by(self, task: int) -> bool:
        """Return True if the task's predictions depend on a site of this stage."""
        return any(_is_read(site, task) for site in self.sites)

    def own_fraction(self, task: int) -> float:
        """Return the fraction of FLOPs that the task computes for itself, 0..1, over the sites that it reads."""
        read = [site for site in self.sites if _is_read(site, task)]
        whole = sum(site.flops_per_channel * site.num_channels for site in read)
        return self.flops.own[task] / whole if whole else 0.0


def _is_read(site: GateSite, task: int) -> bool:
    return not site.own[task].startswith(UNREAD)


def site_flops(site: GateSite) -> SiteFlops:
    """Return the FLOPs of a site, for the shared branch and for each task alone."""
    shared = sum("0" in flags for flags in zip(*site.own, strict=True))
    return SiteFlops(
        shared=shared * site.flops_per_channel,
        own=tuple(row.count("1") * site.flops_per_channel for row in site.own),
    )


def affinity(gate_map: GateMap) -> list[list[float]]:
    """Return ``[task][other]``: the fraction of a branch's FLOPs that both take from the shared branch, 0..1.

    The diagonal holds the fraction that the task itself takes from it.
    """
    whole = sum(site.flops_per_channel * site.num_channels for site in gate_map.sites)
    tasks = range(len(gate_map.tasks))
    return [
        [sum(_common(site, i, j) for site in gate_map.sites) / whole if whole else 0.0 for j in tasks] for i in tasks
    ]


def _common(site: GateSite, one: int, other: int) -> float:
    both = sum(a == b == "0" for a, b in zip(site.own[one], site.own[other], strict=True))
    return both * site.flops_per_channel


def stages(gate_map: GateMap) -> tuple[Stage, ...]:
    """Group the sites into at most twelve stages by the first part of their names.

    This part is ``stage2`` in ``stage2.block1.conv1``. If there are more such names, or only one, the stages are runs
    of neighboring sites.
    """
    groups: list[tuple[str, list[GateSite]]] = []
    for site in gate_map.sites:
        name = site.name.partition(".")[0]
        if groups and groups[-1][0] == name:
            groups[-1][1].append(site)
        else:
            groups.append((name, [site]))
    if len(groups) > _MOST_STAGES or (len(groups) == 1 and len(gate_map.sites) > 1):
        return _runs(gate_map.sites)
    return tuple(Stage(name=name, sites=tuple(sites)) for name, sites in groups)


def _runs(sites: Sequence[GateSite]) -> tuple[Stage, ...]:
    size = -(-len(sites) // _MOST_STAGES)
    runs = [tuple(sites[first : first + size]) for first in range(0, len(sites), size)]
    return tuple(
        Stage(name=run[0].name if len(run) == 1 else f"{run[0].name} … {run[-1].name}", sites=run) for run in runs
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Share of a task's features, 1 in all, that passes from one ``stage`` to the next that the task reads.

    ``from_own`` and ``to_own`` are True where the task computes these features for itself.
    """

    stage: int
    next_stage: int
    task: int
    from_own: bool
    to_own: bool
    share: float


def flows(found: Sequence[Stage], num_tasks: int) -> list[Flow]:
    """Return the shares of features that stay shared, part, stay apart or come together from stage to stage.

    Shares of zero are left out. As little as possible changes between two stages. If a task goes from a tenth of its
    own to a half, four tenths part. A stage that a task does not read has no part of it.
    """
    result: list[Flow] = []
    for task in range(num_tasks):
        read = [index for index, stage in enumerate(found) if stage.is_read_by(task)]
        for index, following in pairwise(read):
            before, after = found[index].own_fraction(task), found[following].own_fraction(task)
            shares = {
                (False, False): 1 - max(before, after),
                (False, True): max(0.0, after - before),
                (True, False): max(0.0, before - after),
                (True, True): min(before, after),
            }
            result += [
                Flow(stage=index, next_stage=following, task=task, from_own=was, to_own=is_own, share=share)
                for (was, is_own), share in shares.items()
                if share > 0
            ]
    return result


def parting_stage(found: Sequence[Stage], task: int) -> int | None:
    """Return the index of the stage from which a task does most of its work for itself, to the end.

    None means that it never does.
    """
    parted = None
    for index in reversed(range(len(found))):
        if found[index].is_read_by(task):
            if found[index].own_fraction(task) <= 0.5:
                break
            parted = index
    return parted


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChange:
    """Difference between the FLOPs that two networks spend on a task's own features in one stage."""

    task: str
    stage: str
    flops: float


def same_sites(one: GateMap, other: GateMap) -> bool:
    """Return True if two networks have the same tasks, sites and widths, so that their sites can be compared."""
    shape = [(site.name, site.num_channels) for site in one.sites]
    return one.tasks == other.tasks and shape == [(site.name, site.num_channels) for site in other.sites]


def own_changes(one: GateMap, other: GateMap) -> list[OwnChange]:
    """Return the differences of ``other`` to ``one`` in FLOPs for tasks' own features, the largest first.

    Differences of zero are left out. Both networks must have the :func:`same_sites`.
    """
    changes = [
        OwnChange(task=task, stage=after.name, flops=after.flops.own[index] - before.flops.own[index])
        for before, after in zip(stages(one), stages(other), strict=True)
        for index, task in enumerate(one.tasks)
    ]
    return sorted((change for change in changes if change.flops), key=lambda change: -abs(change.flops))
