"""Table of a comparison: means over seeds, their spread, and mean ranks. Pure functions."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatefront.search.results.records import TaskRecord

SINGLE_TASK = "single-task"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRun:
    """System trained from one seed.

    ``train_flops`` and ``seconds`` include the networks that initialized it.
    """

    system: str
    seed: int
    metrics: Mapping[str, float]
    delta_per_task: Mapping[str, float]
    delta_mtl: float
    flops: int
    num_parameters: int
    train_flops: float
    seconds: float

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "SystemRun":
        return cls(**document)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean over seeds and its sample standard deviation, which is None for a single seed."""

    mean: float
    deviation: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Line of the table, for one system.

    ``mean_rank`` is the mean over tasks. Rank 1 is best, and ties get the average of their ranks. ``delta_per_task``
    lacks the tasks that Δ_MTL leaves out.
    """

    system: str
    num_seeds: int
    metrics: Mapping[str, Spread]
    delta_per_task: Mapping[str, Spread]
    delta_mtl: Spread
    mean_rank: float
    flops: int
    num_parameters: int
    train_flops: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTable:
    """Current table of a comparison, which may not be complete."""

    name: str
    data: str
    tasks: tuple[TaskRecord, ...]
    lines: tuple[Line, ...]

    @property
    def single_task_flops(self) -> int | None:
        """FLOPs that count as 100 %; None until the single-task networks are trained."""
        return next((line.flops for line in self.lines if line.system == SINGLE_TASK), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Subject of a comparison: the study's name, its data, and its tasks."""

    name: str
    data: str
    tasks: tuple[TaskRecord, ...]


def comparison_table(subject: Subject, runs: Iterable[SystemRun]) -> ComparisonTable:
    """Return a table with one line per system, in the order in which systems first appear in ``runs``."""
    tasks = subject.tasks
    by_system: dict[str, list[SystemRun]] = {}
    for run in runs:
        by_system.setdefault(run.system, []).append(run)
    ranks = mean_ranks(tasks, {system: _means(tasks, found) for system, found in by_system.items()})
    lines = tuple(_line(system, found, tasks, ranks[system]) for system, found in by_system.items())
    return ComparisonTable(name=subject.name, data=subject.data, tasks=tasks, lines=lines)


def mean_ranks(tasks: Sequence[TaskRecord], metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return each system's rank among all systems, averaged over tasks (Maninis et al. 2019; the poster's MR)."""
    # The import takes a second, for which every command and every worker would wait.
    from scipy.stats import rankdata

    systems = list(metrics)
    ranks = dict.fromkeys(systems, 0.0)
    for task in tasks:
        sign = -1 if task.higher_is_better else 1
        for system, rank in zip(systems, rankdata([sign * metrics[s][task.name] for s in systems]), strict=True):
            ranks[system] += float(rank) / len(tasks)
    return ranks


def _line(system: str, runs: Sequence[SystemRun], tasks: Sequence[TaskRecord], rank: float) -> Line:
    return Line(
        system=system,
        num_seeds=len(runs),
        metrics={task.name: _spread([run.metrics[task.name] for run in runs]) for task in tasks},
        delta_per_task={
            task.name: _spread([run.delta_per_task[task.name] for run in runs])
            for task in tasks
            if all(task.name in run.delta_per_task for run in runs)
        },
        delta_mtl=_spread([run.delta_mtl for run in runs]),
        mean_rank=rank,
        flops=round(statistics.mean(run.flops for run in runs)),
        num_parameters=round(statistics.mean(run.num_parameters for run in runs)),
        train_flops=statistics.mean(run.train_flops for run in runs),
        seconds=statistics.mean(run.seconds for run in runs),
    )


def _means(tasks: Sequence[TaskRecord], runs: Sequence[SystemRun]) -> dict[str, float]:
    return {task.name: statistics.mean(run.metrics[task.name] for run in runs) for task in tasks}


def _spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)
