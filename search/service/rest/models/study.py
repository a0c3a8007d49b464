"""What is said of a study."""

from datetime import datetime
from typing import Literal

from gatefront.search.config.latency import Precision, Runtime
from gatefront.search.results.records import EventKind, StudySummary, StudyView, num_done
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.rest.models.base import Model
from gatefront.search.service.rest.models.trial import Trial


class Task(Model):
    """A task and what it is measured by, e.g. ``accuracy %``."""

    name: str
    kind: str
    metric: str
    higher_is_better: bool


class LatencyRule(Model):
    """How every delivered network is timed; ``budget_ms`` null: it caps nothing."""

    budget_ms: float | None
    runtime: Runtime
    threads: int
    batch: int
    precision: Precision
    is_objective: bool


class Study(Model):
    """One study in a list. FLOPs are 2 per multiply-add at batch 1; a budget of null is no cap.

    ``heartbeat_at`` is the driver's last sign of life, ``max_hours`` caps its session, which began at ``driver_since``.
    """

    name: str
    state: StudyState
    message: str
    created_at: datetime
    num_trials: int
    state_counts: dict[TrialState, int]
    flop_budget: int | None
    flop_budget_text: str
    param_budget_text: str
    latency: LatencyRule | None
    single_task_flops: int
    floor_flops: int
    tasks: tuple[Task, ...]
    best_label: str | None
    best_delta_mtl: float | None
    hypervolume: float | None
    hypervolume_band: tuple[float, float] | None
    seconds_spent: float
    eta_seconds: float | None
    data: str
    backbone: str
    started_from: str | None
    num_workers: int
    gpus_per_worker: float
    reference_seconds: float
    heartbeat_at: datetime | None
    driver_since: datetime | None
    max_hours: float | None
    is_kept: bool


class Reference(Model):
    """A trained reference: all single-task networks together, or hard sharing.

    ``constant_metrics`` is what the best constant prediction scores; ``unranked`` are tasks that Δ_MTL leaves out, as
    their single-task network is no better.
    """

    kind: Literal["single_task", "hard_sharing"]
    flops: int
    delta_mtl: float
    metrics: dict[str, float]
    num_parameters: int
    seconds: float
    constant_metrics: dict[str, float]
    unranked: tuple[str, ...]


class Event(Model):
    """One change that a person made to a study; ``actor`` is empty where nobody kept it."""

    at: datetime
    kind: EventKind
    detail: str
    actor: str


class Hypervolume(Model):
    """Of the feasible front after so many complete trials; ``band`` is over the seeds of the confirmed ones of them."""

    num_complete: int
    trial: int
    finished_at: datetime
    hypervolume: float
    band: tuple[float, float] | None


class StudyDetail(Model):
    """A study with how far it is. Equal revisions mean that nothing shown of it has changed."""

    revision: str
    study: Study
    num_done: int
    references: tuple[Reference, ...]
    hypervolume: tuple[Hypervolume, ...]


class Front(Model):
    """The points that are best at their cost, the cheapest first."""

    revision: str
    study: str
    flop_budget: int | None
    single_task_flops: int
    best_label: str | None
    hypervolume: float | None
    hypervolume_band: tuple[float, float] | None
    references: tuple[Reference, ...]
    points: tuple[Trial, ...]


def study_model(summary: StudySummary) -> Study:
    return Study.model_validate(summary)


def study_detail(view: StudyView) -> StudyDetail:
    return StudyDetail(
        revision=view.revision,
        study=study_model(view.summary),
        num_done=num_done(view),
        references=tuple(map(Reference.model_validate, view.references)),
        hypervolume=tuple(map(Hypervolume.model_validate, view.hypervolume)),
    )
