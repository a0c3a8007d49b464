"""Running a comparison: references, then every system and seed, each stored as soon as it is there."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.comparison.jobs import (
    SystemJob,
    initial_jobs,
    seeded_plans,
    single_task_run,
    system_jobs,
)
from search.comparison.systems import System
from search.comparison.table import ComparisonTable, SystemRun, comparison_table
from search.config import StudyConfig
from search.folders import StudyFolders
from search.plan import StudyPlan
from search.records import TaskRecord
from search.references import ReferenceJob
from search.storage.comparisons import ComparisonStore
from trainer.data import load_data
from trainer.metrics import metric_for
from trainer.reporting import ReferenceResult

logger = logging.getLogger(__name__)

TrainReferences = Callable[[list[ReferenceJob], Path], Iterable[tuple[ReferenceJob, ReferenceResult]]]
TrainSystems = Callable[[Sequence[SystemJob], StudyFolders], Iterator[tuple[SystemJob, SystemRun | None]]]
"""Yields each job with its run as it ends; with None if it failed, which was logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who trains: Ray's workers, or functions in this process."""

    train_references: TrainReferences
    train_systems: TrainSystems


def run_comparison(
    config: StudyConfig,
    systems: Sequence[System],
    *,
    num_seeds: int,
    store: ComparisonStore,
    folders: StudyFolders,
    workers: Workers,
) -> ComparisonTable:
    """Train what the store does not hold yet; the table of all that could be trained.

    Raises:
        GatefrontError: the study file asks for what cannot be, or a reference could not be trained.
    """
    plans = seeded_plans(config, num_seeds)
    fingerprint = load_data(plans[0].data, folders.cache).fingerprint
    results = _references(plans, folders, workers)
    runs = {(System("single_task").name, plan.config.study.seed): single_task_run(plan, found.values())
            for plan, found in zip(plans, results, strict=True)}  # fmt: skip
    jobs = [
        job
        for plan, found in zip(plans, results, strict=True)
        for job in system_jobs(plan, systems, found, fingerprint=fingerprint)
    ]
    known = store.known()
    runs |= {(job.system.name, job.seed): known[job.key] for job in jobs if job.key in known}
    missing = [job for job in jobs if job.key not in known]
    logger.info("%d of %d systems are trained already", len(jobs) - len(missing), len(jobs))
    for job, run in workers.train_systems(missing, folders):
        if run is not None:
            store.record(run, job.key)
            runs[job.system.name, job.seed] = run
            logger.info("%s, seed %d: Δ_MTL %+.2f %%", job.system.name, job.seed, run.delta_mtl)
    seeds = [plan.config.study.seed for plan in plans]
    ordered = [runs[system.name, seed] for system in systems for seed in seeds if (system.name, seed) in runs]
    return comparison_table(config.study.name, task_records(plans[0]), ordered)


def task_records(plan: StudyPlan) -> list[TaskRecord]:
    """The tasks as the table shows them."""
    found = []
    for task in plan.tasks:
        metric = metric_for(task)
        found.append(
            TaskRecord(name=task.name, kind=task.kind, metric=metric.label, higher_is_better=metric.higher_is_better)
        )
    return found


def _references(
    plans: Sequence[StudyPlan], folders: StudyFolders, workers: Workers
) -> list[dict[str, ReferenceResult]]:
    """Per seed, the references by role."""
    found = []
    for plan in plans:
        jobs = initial_jobs(plan)
        logger.info("training references of seed %d, %d networks", plan.config.study.seed, len(jobs))
        found.append({job.role: result for job, result in workers.train_references(jobs, folders.cache)})
    return found
