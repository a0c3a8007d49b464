"""Jobs of a comparison: references first, then one job per system and seed with equal compute."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gatefront.search.comparison.fitted import FittedNetwork, fitted_network
from gatefront.search.comparison.systems import FITTED_FAMILIES, OTHER_FAMILIES, System
from gatefront.search.config.distillation import DistillationSection
from gatefront.search.config.family import FamilySection
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.driver.references import ReferenceJob, References, reference_jobs, trained_flops
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.capacities import CAPACITY_PARAMETERS
from gatefront.search.planning.family_costs import family_flops
from gatefront.search.planning.reference_lengths import single_task_length
from gatefront.search.planning.search_space import FLOP_TARGET
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.results.comparison_table import SystemRun
from gatefront.spaces.families import FAMILIES
from gatefront.spaces.json_codec import to_json
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.trial.families.lomt_layer_search import LayerSearch
from gatefront.trainer.trial.spec import TrialSpec
from gatefront.trainer.weighting import step_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemJob:
    """System to train from one seed.

    ``trial`` is the trial of InterroGate. For any other system it holds the architecture, data and references, and
    ``train`` is the recipe. ``fingerprint`` is the data's. ``initial_flops`` and ``initial_seconds`` are the cost of
    the networks that the system starts from.

    LOMT looks for layers by ``layer_search``. Only its worker knows what its network then costs, so the worker trains
    it for ``compute``, in FLOPs of forward passes per training sample. ``network`` is the network of a fitted baseline.
    """

    system: System
    seed: int
    trial: TrialSpec
    train: TrainConfig
    fingerprint: str
    initial_flops: float = 0.0
    initial_seconds: float = 0.0
    layer_search: LayerSearch | None = None
    compute: float | None = None
    network: FittedNetwork | None = None

    @property
    def key(self) -> str:
        """Hash of everything that decides the job's result, on any machine."""
        document: dict[str, Any] = {
            "system": self.system.name,
            "trial": self.trial.key(self.fingerprint),
            "train": self.train.recipe(),
        }
        if self.layer_search is not None:
            search = {"train": self.layer_search.train.recipe(), "sparsity": self.layer_search.sparsity}
            document |= {"layer_search": search, "compute": self.compute}
        if self.network is not None:
            document["network"] = to_json(self.network)
        return hash_json(document)


def seeded_plans(config: StudyConfig, num_seeds: int) -> list[StudyPlan]:
    """Return the study's plan once per seed, counted up from its own seed.

    The plans have no derived points, because one row is one network. They ignore [family], because every family has its
    row, and [distillation], because not every row has teachers: all rows train on labels alone.

    Raises:
        GatefrontError: see :func:`gatefront.search.planning.study_plan.plan_study`.
    """
    first, gates = config.study.seed, config.gates.model_copy(update={"derived_points": 0})
    sections = [config.study.model_copy(update={"seed": first + step}) for step in range(num_seeds)]
    common = {"gates": gates, "family": FamilySection(), "distillation": DistillationSection(weight=0.0)}
    return [plan_study(config.model_copy(update={"study": section, **common})) for section in sections]


def initial_jobs(plan: StudyPlan) -> list[ReferenceJob]:
    """Return the jobs of the networks that Δ_MTL is measured against and that InterroGate starts from."""
    return [
        job
        for job in reference_jobs(plan)
        if job.purpose != "hard_sharing" and job.architecture == plan.largest.architecture
    ]


def system_jobs(
    plan: StudyPlan,
    systems: Sequence[System],
    results: Mapping[str, ReferenceResult],
    *,
    fingerprint: str,
    unranked: frozenset[str] = frozenset(),
) -> Iterator[SystemJob]:
    """Yield one job per system that has something left to train.

    Args:
        plan: the plan of one seed.
        systems: the rows of the table.
        results: the results of :func:`initial_jobs`, by role.
        fingerprint: the fingerprint of the data.
        unranked: tasks that Δ_MTL leaves out.
    """
    trial = _central_trial(plan, References(plan=plan, results=results, unranked=unranked))
    initial = trained_flops(plan, results.values())
    flops = sum(result.train_flops for result in results.values())
    seconds = sum(result.seconds for result in results.values())
    for system in systems:
        if system.family == "hard_sharing" and system.weighting is not None:
            epochs = plan.epochs_of_equal_compute(system.weighting, initial)
            train = replace(plan.search_space.reference_train_config(epochs=epochs), weighting=system.weighting)
            yield SystemJob(
                system=system, seed=plan.config.study.seed, trial=trial, train=train, fingerprint=fingerprint
            )
        elif system.family in FITTED_FAMILIES:
            yield _fitted_job(plan, system, trial, results, fingerprint)
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


def _fitted_job(
    plan: StudyPlan, system: System, trial: TrialSpec, results: Mapping[str, ReferenceResult], fingerprint: str
) -> SystemJob:
    """Return the job of a fitted baseline, with as much compute in all as InterroGate's row."""
    if plan.budgets.flops is None:
        raise StudyFileError(
            f"Cannot fit {system.name}: the study has no flop_budget (found none).", hint="Give the study a budget."
        )
    network = fitted_network(system.family, trial.architecture, plan.budgets.flops)
    per_epoch = network.flops * step_cost(trial.train.weighting, len(plan.tasks))
    epochs = math.ceil((plan.trial_flops + trained_flops(plan, results.values())) / per_epoch)
    return SystemJob(
        system=system,
        seed=plan.config.study.seed,
        trial=trial,
        train=plan.search_space.reference_train_config(epochs=epochs),
        fingerprint=fingerprint,
        network=network,
    )


def _family_job(
    plan: StudyPlan, system: System, trial: TrialSpec, results: Mapping[str, ReferenceResult], fingerprint: str
) -> SystemJob:
    """Return the job of another family, with as much compute in all as InterroGate's row.

    The cost of the single-task networks that the family needs is subtracted from it.
    """
    alone = [result for result in results.values() if result.kind == "single_task"]
    starts_alone = "single_task" in FAMILIES[system.family].starts_from
    job = SystemJob(
        system=system,
        seed=plan.config.study.seed,
        trial=trial,
        train=plan.search_space.reference_train_config(epochs=single_task_length(plan.config).epochs),
        fingerprint=fingerprint,
        initial_flops=sum(result.train_flops for result in alone) if starts_alone else 0.0,
        initial_seconds=sum(result.seconds for result in alone) if starts_alone else 0.0,
    )
    total = plan.trial_flops + trained_flops(plan, results.values())
    if system.family == "lomt":
        sparse = job.train.epochs * plan.largest.single_task
        return replace(job, layer_search=LayerSearch(train=job.train), compute=total - sparse)
    left = total - (trained_flops(plan, alone) if starts_alone else 0.0)
    per_epoch = family_flops(system.family, trial.architecture) * step_cost(trial.train.weighting, len(plan.tasks))
    return replace(job, train=replace(job.train, epochs=math.ceil(left / per_epoch)))


def single_task_run(plan: StudyPlan, results: Iterable[ReferenceResult]) -> SystemRun:
    """Return the row that every other row is measured against."""
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


def _central_trial(plan: StudyPlan, references: References) -> TrialSpec:
    """Return InterroGate's trial at the budget, with every other parameter at its center."""
    space, largest = plan.search_space, plan.largest.architecture
    params = space.central_params() | {f"network.{name}": getattr(largest, name) for name in CAPACITY_PARAMETERS}
    if space.highest_target is not None:
        params[FLOP_TARGET] = space.highest_target
    return references.trial_spec(space.decode(params, seed=plan.config.study.seed + 1))
