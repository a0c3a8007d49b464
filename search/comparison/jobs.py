"""What it takes to fill a comparison: references first, then one job per system and seed with equal compute."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from search.capacities import CAPACITY_KNOBS
from search.comparison.systems import OTHER_FAMILIES, System
from search.comparison.table import SystemRun
from search.config import StudyConfig
from search.knobs import ends
from search.plan import StudyPlan, plan_study
from search.references import ReferenceJob, References, reference_jobs
from search.sampling import central_params, decode, reference_train_config
from spaces.families import FAMILIES, build_family
from spaces.flops import count_flops
from trainer.compatibility import image_shape
from trainer.config import TrainConfig
from trainer.content_hash import hash_json
from trainer.data import load_data
from trainer.delta_mtl import delta_mtl
from trainer.families import train_family
from trainer.references import NOT_PART_OF_THE_RESULT, train_reference
from trainer.reporting import EpochReport, ReferenceResult
from trainer.trial import run_trial
from trainer.trial_spec import TrialSpec
from trainer.weighting import step_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemJob:
    """One system to train from one seed.

    ``trial`` is what InterroGate trains, or the architecture, data and references of any other system; ``train`` is the
    recipe of that one. ``fingerprint`` is the data's. ``initial_flops`` and ``initial_seconds`` is what the networks
    cost that it starts from.
    """

    system: System
    seed: int
    trial: TrialSpec
    train: TrainConfig
    fingerprint: str
    initial_flops: float = 0.0
    initial_seconds: float = 0.0

    @property
    def key(self) -> str:
        """Names the job by all that decides its result, wherever it runs."""
        recipe = {name: value for name, value in self.train.to_json().items() if name not in NOT_PART_OF_THE_RESULT}
        return hash_json({"system": self.system.name, "trial": self.trial.key(self.fingerprint), "train": recipe})


def seeded_plans(config: StudyConfig, num_seeds: int) -> list[StudyPlan]:
    """The study once per seed, counted up from its own; without derived points, as one row is one network.

    Raises:
        GatefrontError: see :func:`search.plan.plan_study`.
    """
    first, gates = config.study.seed, config.gates.model_copy(update={"derived_points": 0})
    sections = [config.study.model_copy(update={"seed": first + step}) for step in range(num_seeds)]
    return [plan_study(config.model_copy(update={"study": section, "gates": gates})) for section in sections]


def initial_jobs(plan: StudyPlan) -> list[ReferenceJob]:
    """The networks that Δ_MTL is measured against and that InterroGate starts from."""
    return [
        job
        for job in reference_jobs(plan)
        if job.purpose != "hard_sharing" and job.architecture == plan.largest.architecture
    ]


def system_jobs(
    plan: StudyPlan, systems: Sequence[System], results: Mapping[str, ReferenceResult], *, fingerprint: str
) -> Iterator[SystemJob]:
    """One job per system that has something left to train. ``results`` are those of :func:`initial_jobs`, by role."""
    trial = _central_trial(plan, References(plan=plan, results=results))
    flops = sum(result.train_flops for result in results.values())
    seconds = sum(result.seconds for result in results.values())
    for system in systems:
        if system.family == "hard_sharing" and system.weighting is not None:
            epochs = plan.epochs_of_equal_compute(system.weighting)
            train = replace(reference_train_config(plan.config, epochs=epochs), weighting=system.weighting)
            yield SystemJob(
                system=system, seed=plan.config.study.seed, trial=trial, train=train, fingerprint=fingerprint
            )
        elif system.family in OTHER_FAMILIES:
            yield _family_job(plan, system, trial, results, fingerprint)
        elif system.family == "interrogate":
            yield SystemJob(
                system=system,
                seed=plan.config.study.seed,
                trial=trial,
                train=trial.train,
                fingerprint=fingerprint,
                initial_flops=flops,
                initial_seconds=seconds,
            )


def _family_job(
    plan: StudyPlan, system: System, trial: TrialSpec, results: Mapping[str, ReferenceResult], fingerprint: str
) -> SystemJob:
    """As many epochs as InterroGate's row leaves it, once the networks that it starts from are paid."""
    network = build_family(system.family, trial.architecture)
    per_epoch = count_flops(network, image_shape(plan.description)) * step_cost(trial.train.weighting, len(plan.tasks))
    alone = [result for result in results.values() if result.kind == "single_task"]
    starts_alone = "single_task" in FAMILIES[system.family].starts_from
    left = plan.trial_flops + plan.initial_flops - (plan.single_task_flops if starts_alone else 0.0)
    return SystemJob(
        system=system,
        seed=plan.config.study.seed,
        trial=trial,
        train=reference_train_config(plan.config, epochs=math.ceil(left / per_epoch)),
        fingerprint=fingerprint,
        initial_flops=sum(result.train_flops for result in alone) if starts_alone else 0.0,
        initial_seconds=sum(result.seconds for result in alone) if starts_alone else 0.0,
    )


def single_task_run(plan: StudyPlan, results: Iterable[ReferenceResult]) -> SystemRun:
    """The row that every other is measured against."""
    alone = [result for result in results if result.kind == "single_task"]
    names = [task.name for task in plan.tasks]
    return SystemRun(
        system=System("single_task").name,
        seed=plan.config.study.seed,
        metrics={name: value for result in alone for name, value in result.metrics.items()},
        delta_per_task=dict.fromkeys(names, 0.0),
        delta_mtl=0.0,
        flops=plan.largest.single_task,
        num_parameters=sum(result.num_parameters for result in alone),
        train_flops=sum(result.train_flops for result in alone),
        seconds=sum(result.seconds for result in alone),
    )


def train_system(job: SystemJob, cache_dir: Path, work_dir: Path) -> SystemRun:
    """Train one system; runs in a worker, and goes on from what ``work_dir`` or the cache hold of it."""
    if job.system.family == "interrogate":
        work_dir.mkdir(parents=True, exist_ok=True)
        found = run_trial(job.trial, work_dir=work_dir, cache_dir=cache_dir, reporter=_ignore)
        return _run(job, found.metrics, found.flops, found.num_parameters, found.train_flops, found.seconds)
    data = load_data(job.trial.data, cache_dir)
    if job.system.family in OTHER_FAMILIES:
        other = train_family(
            job.system.family,
            job.trial.architecture,
            data,
            job.train,
            single_task=job.trial.single_task,
            hard_sharing=job.trial.hard_sharing,
            work_dir=work_dir,
        )
        return _run(job, other.metrics, other.flops, other.num_parameters, other.train_flops, other.seconds)
    shared = train_reference("hard_sharing", job.trial.architecture, None, data, job.train, cache_dir=cache_dir)
    return _run(job, shared.metrics, shared.flops, shared.num_parameters, shared.train_flops, shared.seconds)


def _central_trial(plan: StudyPlan, references: References) -> TrialSpec:
    """InterroGate at the budget, every other knob at its centre."""
    capacity, target = plan.largest, plan.config.gates.target_knob
    params = central_params(plan.config) | {f"network.{k}": getattr(capacity.architecture, k) for k in CAPACITY_KNOBS}
    if target is not None:
        params["gates.flop_target"] = max(ends(target))
    return references.trial_spec(decode(plan, params, seed=plan.config.study.seed + 1))


def _run(
    job: SystemJob, metrics: Mapping[str, float], flops: int, num_parameters: int, train_flops: float, seconds: float
) -> SystemRun:
    delta = delta_mtl(job.trial.architecture.tasks, metrics, job.trial.single_task_metrics())
    return SystemRun(
        system=job.system.name,
        seed=job.seed,
        metrics=dict(metrics),
        delta_per_task=delta.per_task,
        delta_mtl=delta.mean,
        flops=flops,
        num_parameters=num_parameters,
        train_flops=train_flops + job.initial_flops,
        seconds=seconds + job.initial_seconds,
    )


def _ignore(_: EpochReport, /) -> None:
    """A row's epochs are not shown."""
