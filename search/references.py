"""A study's first work: the single-task and hard-sharing networks that Δ_MTL and the first weights come from."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from search.capacities import Capacity
from search.plan import StudyPlan
from search.sampling import TrialSettings, reference_train_config
from search.storage.repository import StudyStore
from spaces import Architecture
from trainer.config import TrainConfig
from trainer.data import DataSpec, load_data
from trainer.delta_mtl import delta_mtl
from trainer.initial_network import InitialNetwork
from trainer.references import train_reference
from trainer.reporting import ReferenceResult
from trainer.trial_spec import TrainedReference, TrialSpec

Purpose = Literal["single_task", "shared_init", "hard_sharing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceJob:
    """One network to train. ``is_baseline``: it is part of what trials are compared with, not only initial weights."""

    purpose: Purpose
    architecture: Architecture
    task_name: str | None
    data: DataSpec
    train: TrainConfig
    is_baseline: bool

    @property
    def role(self) -> str:
        """Unique in the study, and readable."""
        architecture = self.architecture
        capacity = f"{architecture.backbone} x{architecture.width:g} decoder {architecture.decoder_width}"
        if architecture.resolution != 1.0:
            capacity += f" resolution {architecture.resolution:g}"
        return " / ".join(filter(None, (capacity, self.purpose, self.task_name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """All trained references of a study, by role."""

    plan: StudyPlan
    results: Mapping[str, ReferenceResult]

    def single_task(self, capacity: Capacity) -> dict[str, TrainedReference]:
        """Per task: the weights of this capacity, with the metrics of the largest one.

        All trials of a study are compared with the same baseline, whatever their capacity.
        """
        own = self._by_task(capacity)
        baseline = self._by_task(self.plan.largest)
        return {
            task: TrainedReference(metrics=dict(baseline[task].metrics), path=result.path)
            for task, result in own.items()
        }

    def shared_init(self, capacity: Capacity) -> TrainedReference | None:
        """What the shared branch starts from; None: from random weights."""
        for job in reference_jobs(self.plan):
            if job.purpose == "shared_init" and job.architecture == capacity.architecture:
                return TrainedReference.from_result(self.results[job.role])
        return None

    def trial_spec(self, settings: TrialSettings, *, initial: InitialNetwork | None = None) -> TrialSpec:
        """What a worker is to train at these settings, under the study's budgets."""
        capacity = settings.capacity
        return TrialSpec(
            architecture=capacity.architecture,
            data=self.plan.data,
            train=settings.train,
            gates=settings.gates,
            flop_budget=self.plan.flop_budget,
            flop_target=settings.flop_target,
            param_budget=self.plan.param_budget,
            single_task=self.single_task(capacity),
            hard_sharing=self.shared_init(capacity),
            initial=initial,
            family=settings.family,
        )

    def hard_sharing_delta_mtl(self) -> float:
        """Δ_MTL of the hard-sharing baseline, in percent."""
        (job,) = [job for job in reference_jobs(self.plan) if job.purpose == "hard_sharing"]
        metrics = {task: result.metrics[task] for task, result in self._by_task(self.plan.largest).items()}
        return delta_mtl(self.plan.tasks, self.results[job.role].metrics, metrics).mean

    def _by_task(self, capacity: Capacity) -> dict[str, ReferenceResult]:
        return {
            job.task_name: self.results[job.role]
            for job in reference_jobs(self.plan)
            if job.task_name is not None and job.architecture == capacity.architecture
        }


TrainAll = Callable[[list[ReferenceJob], Path], Iterable[tuple[ReferenceJob, ReferenceResult]]]


def reference_jobs(plan: StudyPlan) -> list[ReferenceJob]:
    """Everything to train before the first trial; the longest first, so that workers end together."""
    return sorted(_jobs(plan), key=lambda job: job.purpose != "hard_sharing")


def prepare_references(plan: StudyPlan, store: StudyStore, cache_dir: Path, train_all: TrainAll) -> References:
    """Train, or find in the cache, every reference and record it as soon as it is there."""
    jobs = reference_jobs(plan)
    results: dict[str, ReferenceResult] = {}
    store.set_message(f"training references, 0 of {len(jobs)} done")
    for job, result in train_all(jobs, cache_dir):
        results[job.role] = result
        if job.purpose != "hard_sharing":
            store.record_reference(job.role, result, is_baseline=job.is_baseline)
        store.set_message(f"training references, {len(results)} of {len(jobs)} done")
    references = References(plan=plan, results=results)
    (baseline,) = [job for job in jobs if job.purpose == "hard_sharing"]
    store.record_reference(
        baseline.role,
        results[baseline.role],
        is_baseline=True,
        # Known only now: it takes every single-task metric.
        delta_mtl=references.hard_sharing_delta_mtl(),
    )
    return references


def train_job(job: ReferenceJob, cache_dir: Path) -> ReferenceResult:
    """Train one reference; runs in a worker."""
    return train_reference(
        "single_task" if job.purpose == "single_task" else "hard_sharing",
        job.architecture,
        job.task_name,
        load_data(job.data, cache_dir),
        job.train,
        cache_dir=cache_dir,
    )


def _jobs(plan: StudyPlan) -> Iterator[ReferenceJob]:
    short = reference_train_config(plan.config, epochs=plan.reference_epochs)
    for capacity in plan.capacities:
        largest = capacity is plan.largest
        for task in plan.tasks:
            yield _job(plan, "single_task", capacity, short, task_name=task.name, is_baseline=largest)
        if plan.shared_init_epochs:
            initial = reference_train_config(plan.config, epochs=plan.shared_init_epochs)
            yield _job(plan, "shared_init", capacity, initial)
    long = reference_train_config(plan.config, epochs=plan.hard_sharing_epochs)
    yield _job(plan, "hard_sharing", plan.largest, long, is_baseline=True)


def _job(
    plan: StudyPlan,
    purpose: Purpose,
    capacity: Capacity,
    train: TrainConfig,
    *,
    task_name: str | None = None,
    is_baseline: bool = False,
) -> ReferenceJob:
    return ReferenceJob(
        purpose=purpose,
        architecture=capacity.architecture,
        task_name=task_name,
        data=plan.data,
        train=train,
        is_baseline=is_baseline,
    )
