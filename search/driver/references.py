"""References of a study: the single-task and hard-sharing networks that Δ_MTL and the first weights come from."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gatefront.search.planning.capacities import Capacity
from gatefront.search.planning.reference_lengths import (
    ReferenceLength,
    hard_sharing_length,
    shared_init_length,
    single_task_length,
)
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.planning.task_records import task_records
from gatefront.search.planning.trial_settings import TrialSettings
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.unlearned_tasks import UnlearnedTask, has_learned, require_ranked
from gatefront.search.storage.study_store import StudyStore
from gatefront.spaces import Architecture, Task
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.baselines.training_length import train_long_enough
from gatefront.trainer.checkpoints.initial_network import InitialNetwork
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.metrics.delta_mtl import DeltaMtlError, delta_mtl
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec
from gatefront.trainer.weighting import step_cost

logger = logging.getLogger(__name__)

Purpose = Literal["single_task", "shared_init", "hard_sharing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceJob:
    """Network to train as a reference.

    If ``is_baseline`` is True, trials are compared with it. Otherwise it gives only initial weights. With ``is_auto``
    the epochs of ``train`` are only the first length to try.
    """

    purpose: Purpose
    architecture: Architecture
    task_name: str | None
    data: DataSpec
    train: TrainConfig
    is_baseline: bool
    is_auto: bool = False

    @property
    def training(self) -> tuple[object, ...]:
        """Everything that decides the trained network. Jobs that agree in it are one training."""
        return (self.purpose == "single_task", self.architecture, self.task_name, self.train, self.is_auto)

    @property
    def role(self) -> str:
        """Readable name of the job, unique in the study."""
        architecture = self.architecture
        capacity = f"{architecture.backbone} x{architecture.width:g} decoder {architecture.decoder_width}"
        if architecture.resolution != 1.0:
            capacity += f" resolution {architecture.resolution:g}"
        return " / ".join(filter(None, (capacity, self.purpose, self.task_name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """All trained references of a study, by role. Δ_MTL leaves out the tasks in ``unranked``."""

    plan: StudyPlan
    results: Mapping[str, ReferenceResult]
    unranked: frozenset[str] = frozenset()

    def single_task(self, capacity: Capacity) -> dict[str, TrainedReference]:
        """Return, per task, the weights of this capacity with the metrics of the largest one.

        All trials of a study are compared with the same baseline, whatever their capacity.
        """
        own = self._by_task(capacity)
        baseline = self._by_task(self.plan.largest)
        return {
            task: TrainedReference(
                metrics=dict(baseline[task].metrics), path=result.path, has_learned=task not in self.unranked
            )
            for task, result in own.items()
        }

    def shared_init(self, capacity: Capacity) -> TrainedReference | None:
        """Return the reference that the shared branch starts from. None: it starts from random weights."""
        for job in reference_jobs(self.plan):
            if job.purpose == "shared_init" and job.architecture == capacity.architecture:
                return TrainedReference.from_result(self.results[job.role])
        return None

    def trial_spec(self, settings: TrialSettings, *, initial: InitialNetwork | None = None) -> TrialSpec:
        """Return the trial that a worker trains at these settings, under the study's budgets."""
        capacity = settings.capacity
        return TrialSpec(
            architecture=settings.architecture,
            data=self.plan.data,
            train=settings.train,
            gates=settings.gates,
            budgets=self.plan.budgets,
            flop_target=settings.flop_target,
            single_task=self.single_task(capacity),
            hard_sharing=self.shared_init(capacity),
            initial=initial,
            family=settings.family,
            distillation=settings.distillation,
        )

    def baseline_results(self) -> Iterable[ReferenceResult]:
        """Return the results of the largest capacity's single-task networks, in the order of the tasks."""
        baseline = self._by_task(self.plan.largest)
        return [baseline[task.name] for task in self.plan.tasks]

    def hard_sharing_delta_mtl(self) -> float:
        """Return Δ_MTL of the hard-sharing baseline, in percent."""
        metrics = {task: result.metrics[task] for task, result in self._by_task(self.plan.largest).items()}
        return delta_mtl(self._ranked, self._hard_sharing.metrics, metrics).mean

    def hard_sharing_on_test(self) -> float | None:
        """Return the same on the test split; None if it is not defined there, or there is none."""
        if not self._hard_sharing.test_metrics:
            return None
        try:
            return self.figures_on_test(self._hard_sharing.test_metrics).delta_mtl
        except DeltaMtlError as error:
            logger.warning("hard sharing has no Δ_MTL on the test split: %s", error)
            return None

    def figures_on_test(self, metrics: Mapping[str, float]) -> SplitFigures:
        """Return the figures of a network with these metrics on the test split, against the single-task networks there.

        Raises:
            DeltaMtlError: Δ_MTL is not defined.
        """
        alone = {name: found for result in self.baseline_results() for name, found in result.test_metrics.items()}
        delta = delta_mtl(self._ranked, metrics, alone)
        return SplitFigures(delta_mtl=delta.mean, delta_per_task=delta.per_task, metrics=metrics)

    @property
    def _hard_sharing(self) -> ReferenceResult:
        (job,) = [job for job in reference_jobs(self.plan) if job.purpose == "hard_sharing"]
        return self.results[job.role]

    @property
    def _ranked(self) -> list[Task]:
        return [task for task in self.plan.tasks if task.name not in self.unranked]

    def _by_task(self, capacity: Capacity) -> dict[str, ReferenceResult]:
        return {
            job.task_name: self.results[job.role]
            for job in reference_jobs(self.plan)
            if job.task_name is not None and job.architecture == capacity.architecture
        }


TrainAll = Callable[[list[ReferenceJob], Path], Iterable[tuple[ReferenceJob, ReferenceResult]]]


def reference_jobs(plan: StudyPlan) -> list[ReferenceJob]:
    """Return all networks to train before the first trial. The longest comes first, so that workers end together."""
    return sorted(_jobs(plan), key=lambda job: job.purpose != "hard_sharing")


def prepare_references(plan: StudyPlan, store: StudyStore, cache_dir: Path, train_all: TrainAll) -> References:
    """Train every reference or find it in the cache, and record it at once.

    Raises:
        ReferenceFailedError: no task has learned alone, and the study does not ask to rank unlearned tasks.
    """
    jobs = reference_jobs(plan)
    results: dict[str, ReferenceResult] = {}
    unranked: set[str] = set()
    store.set_message(f"training references, 0 of {len(jobs)} done")
    for job, result in _train_each_once(jobs, cache_dir, train_all):
        results[job.role] = result
        if job.purpose != "hard_sharing":
            is_ranked = not job.is_baseline or judge_alone(plan, result) is None or plan.config.study.rank_unlearned
            if not store.record_reference(job.role, result, is_baseline=job.is_baseline, is_ranked=is_ranked):
                unranked.add(str(job.task_name))
        store.set_message(f"training references, {len(results)} of {len(jobs)} done")
    references = References(plan=plan, results=results, unranked=frozenset(unranked))
    warn_of_unlearned(references)
    (baseline,) = [job for job in jobs if job.purpose == "hard_sharing"]
    store.record_reference(
        baseline.role,
        results[baseline.role],
        is_baseline=True,
        # Known only now: it takes every single-task metric.
        delta_mtl=references.hard_sharing_delta_mtl(),
        test_delta_mtl=references.hard_sharing_on_test(),
    )
    return references


def judge_alone(plan: StudyPlan, result: ReferenceResult) -> UnlearnedTask | None:
    """Return the task of a single-task reference that has not learned.

    None: the task has learned, or ``result`` is no single-task reference.
    """
    if result.kind != "single_task":
        return None
    (task,) = task_records(task for task in plan.tasks if task.name == result.tasks[0])
    value = result.metrics[task.name]
    if has_learned(task, value, result.constant_metrics):
        return None
    constant = result.constant_metrics[task.name]
    return UnlearnedTask(name=task.name, metric=task.metric, value=value, constant=constant, is_ranked=False)


def warn_of_unlearned(references: References) -> None:
    """Log each task that has not learned alone, with its score and whether Δ_MTL leaves it out.

    Raises:
        ReferenceFailedError: Δ_MTL would leave out all tasks.
    """
    plan = references.plan
    judged = [judge_alone(plan, result) for result in references.baseline_results()]
    unlearned = [task for task in judged if task is not None]
    left_out = [task for task in unlearned if task.name in references.unranked]
    require_ranked(plan.tasks, left_out)
    for task in unlearned:
        done = "leaves it out" if task in left_out else "counts it nevertheless (rank_unlearned = true)"
        logger.warning("the single-task network of %s has not learned: Δ_MTL %s", task.scores, done)


def train_job(job: ReferenceJob, cache_dir: Path) -> ReferenceResult:
    """Train one reference, in a worker."""
    train = train_long_enough if job.is_auto else train_reference
    return train(
        "single_task" if job.purpose == "single_task" else "hard_sharing",
        job.architecture,
        job.task_name,
        load_data(job.data, cache_dir),
        job.train,
        cache_dir=cache_dir,
    )


def trained_flops(plan: StudyPlan, results: Iterable[ReferenceResult]) -> float:
    """Return what training these references has cost, all lengths together, in the unit of ``plan.trial_flops``."""
    shared = step_cost(plan.config.train.weightings[0], len(plan.tasks))
    return sum(
        sum(result.lengths) * result.flops * (shared if result.kind == "hard_sharing" else 1.0) for result in results
    )


def _train_each_once(
    jobs: list[ReferenceJob], cache_dir: Path, train_all: TrainAll
) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
    """Train jobs that are one training only once. The first of them has its cost."""
    same: dict[tuple[object, ...], list[ReferenceJob]] = {}
    for job in jobs:
        same.setdefault(job.training, []).append(job)
    for job, result in train_all([first for first, *_ in same.values()], cache_dir):
        yield job, result
        for other in same[job.training][1:]:
            yield other, replace(result, from_cache=True)


def _jobs(plan: StudyPlan) -> Iterator[ReferenceJob]:
    alone, together = single_task_length(plan.config), shared_init_length(plan.config)
    for capacity in plan.capacities:
        largest = capacity is plan.largest
        for task in plan.tasks:
            yield _job(plan, "single_task", capacity, alone, task_name=task.name, is_baseline=largest)
        if together is not None:
            yield _job(plan, "shared_init", capacity, together)
    yield _job(plan, "hard_sharing", plan.largest, hard_sharing_length(plan.config), is_baseline=True)


def _job(
    plan: StudyPlan,
    purpose: Purpose,
    capacity: Capacity,
    length: ReferenceLength,
    *,
    task_name: str | None = None,
    is_baseline: bool = False,
) -> ReferenceJob:
    return ReferenceJob(
        purpose=purpose,
        architecture=capacity.architecture,
        task_name=task_name,
        data=plan.data,
        train=plan.search_space.reference_train_config(epochs=length.epochs),
        is_baseline=is_baseline,
        is_auto=length.is_auto,
    )
