"""Run of a comparison: references, then every system and seed, each stored as soon as it is trained."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from gatefront.search.comparison.fitted import fitted_network
from gatefront.search.comparison.jobs import (
    SystemJob,
    initial_jobs,
    seeded_plans,
    single_task_run,
    system_jobs,
)
from gatefront.search.comparison.systems import FITTED_FAMILIES, OTHER_FAMILIES, System
from gatefront.search.comparison.training import keep_single_task
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.doctor.data_checks import require_sound_data
from gatefront.search.driver.references import ReferenceJob, References, judge_alone, warn_of_unlearned
from gatefront.search.planning.family_costs import family_flops
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.planning.task_records import task_records
from gatefront.search.results.comparison_table import ComparisonTable, Subject, SystemRun, comparison_table
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.tables.comparisons import ComparisonStore
from gatefront.spaces.errors import SpaceError
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.data import load_data
from gatefront.trainer.reporting import ReferenceResult

logger = logging.getLogger(__name__)

TrainReferences = Callable[[list[ReferenceJob], Path], Iterable[tuple[ReferenceJob, ReferenceResult]]]
TrainSystems = Callable[[Sequence[SystemJob], StudyFolders], Iterator[tuple[SystemJob, SystemRun | None]]]
"""Function that yields each job with its run as it ends. The run of a failed job is None, and the failure is logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Functions that train, in Ray's workers or in this process."""

    train_references: TrainReferences
    train_systems: TrainSystems


def run_comparison(
    config: StudyConfig,
    systems: Sequence[System],
    *,
    num_seeds: int,
    engine: sa.Engine,
    folders: StudyFolders,
    workers: Workers,
    force: bool = False,
) -> ComparisonTable:
    """Train what the database does not hold yet, and return the table of all that could be trained.

    With ``force`` the doctor's checks of the data are left out.

    Raises:
        DataChecksError: the doctor's checks of the data fail. Nothing was trained.
        GatefrontError: the study file asks for something impossible, or a reference could not be trained or has not
            learned.
    """
    plans = seeded_plans(config, num_seeds)
    systems = buildable(systems, plans[0])
    data = load_data(plans[0].data, folders.cache)
    if not force:
        require_sound_data(plans[0].tasks, data)
    fingerprint = data.fingerprint
    subject = Subject(name=config.study.name, data=config.data.name, tasks=task_records(plans[0].tasks))
    store = ComparisonStore(engine, subject, _setting(config, fingerprint))
    known = store.begin()
    positions = {system.name: position for position, system in enumerate(systems)}
    results = _references(plans, folders, workers)
    unranked = _unranked(plans, results)
    runs: list[SystemRun] = []
    jobs: list[SystemJob] = []
    for plan, found in zip(plans, results, strict=True):
        alone = single_task_run(plan, found.values())
        key = hash_json(asdict(alone))
        keep_single_task(plan.largest.architecture, found.values(), folders.system(key))
        store.record(alone, key, positions[alone.system])
        runs.append(alone)
        jobs += system_jobs(plan, systems, found, fingerprint=fingerprint, unranked=unranked)
    runs += [known[job.key] for job in jobs if job.key in known]
    missing = [job for job in jobs if job.key not in known]
    logger.info("%d of %d systems are trained already", len(jobs) - len(missing), len(jobs))
    for job, run in workers.train_systems(missing, folders):
        if run is not None:
            store.record(run, job.key, positions[run.system])
            runs.append(run)
            logger.info("%s, seed %d: Δ_MTL %+.2f %%", run.system, run.seed, run.delta_mtl)
    runs.sort(key=lambda run: (positions[run.system], run.seed))
    return comparison_table(subject, runs)


def buildable(systems: Sequence[System], plan: StudyPlan) -> list[System]:
    """Return the systems that work on the study's backbone and budget, and log why the others are left out."""
    found = []
    for system in systems:
        if system.family in FITTED_FAMILIES and plan.budgets.flops is None:
            logger.warning("%s is left out: the study has no flop_budget to fit it to", system.name)
            continue
        try:
            if system.family in FITTED_FAMILIES and plan.budgets.flops is not None:
                fitted_network(system.family, plan.largest.architecture, plan.budgets.flops)
            if system.family in OTHER_FAMILIES:
                family_flops(system.family, plan.largest.architecture)
        except SpaceError as error:
            logger.warning("%s is left out: %s", system.name, error)
            continue
        found.append(system)
    return found


def _setting(config: StudyConfig, fingerprint: str) -> str:
    """Return a hash of the study file's networks, training, gates and tasks, of its budgets and of the data.

    The number of trials is not part of it.
    """
    document = config.model_dump(mode="json", include={"network", "train", "gates", "tasks"})
    budgets = (config.study.flop_budget, config.study.param_budget)
    return hash_json(document | {"budgets": budgets, "fingerprint": fingerprint})


def _unranked(plans: Sequence[StudyPlan], results: Sequence[Mapping[str, ReferenceResult]]) -> frozenset[str]:
    """Return the tasks that Δ_MTL leaves out, and log those that have not learned alone from at least one seed.

    Δ_MTL is the mean of the same tasks for all seeds.
    """
    pairs = [(plan, result) for plan, found in zip(plans, results, strict=True) for result in found.values()]
    judged = [judge_alone(plan, result) for plan, result in pairs]
    names = frozenset(task.name for task in judged if task is not None)
    unranked = frozenset() if plans[0].config.study.rank_unlearned else names
    for plan, found in zip(plans, results, strict=True):
        warn_of_unlearned(References(plan=plan, results=found, unranked=unranked))
    return unranked


def _references(
    plans: Sequence[StudyPlan], folders: StudyFolders, workers: Workers
) -> list[dict[str, ReferenceResult]]:
    """Train the references of every seed, and return those of each seed by role."""
    found = []
    for plan in plans:
        jobs = initial_jobs(plan)
        logger.info("training references of seed %d, %d networks", plan.config.study.seed, len(jobs))
        found.append({job.role: result for job, result in workers.train_references(jobs, folders.cache)})
    return found
