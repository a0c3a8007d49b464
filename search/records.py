"""Frozen records for the command line, the dashboards and the bundles: no SQL row or Optuna object leaves `search`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from spaces.gate_map import GateMap


class TrialState(StrEnum):
    """The states a person sees."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    STOPPED_EARLY = "STOPPED_EARLY"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    LOST = "LOST"
    VOID = "VOID"


class StudyState(StrEnum):
    """PREPARING: references train. LOST: the driver's heartbeat stopped; `resume` goes on."""

    PREPARING = "PREPARING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    LOST = "LOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task as views show it: ``metric`` is the name with unit, e.g. ``"accuracy %"`` or ``"mean angle deg"``."""

    name: str
    kind: str
    metric: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePoint:
    """A trained reference on the front plot: all single-task networks together, or hard sharing."""

    kind: Literal["single_task", "hard_sharing"]
    flops: int
    delta_mtl: float
    metrics: Mapping[str, float]
    num_parameters: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary:
    """One study in a list. FLOPs are 2 per multiply-add, batch 1. ``flop_budget`` None means no cap."""

    name: str
    state: StudyState
    message: str
    created_at: datetime
    num_trials: int
    state_counts: Mapping[TrialState, int]
    flop_budget: int | None
    flop_budget_text: str
    single_task_flops: int
    floor_flops: int
    tasks: tuple[TaskRecord, ...]
    best_trial: int | None
    best_delta_mtl: float | None
    hypervolume: float | None
    seconds_spent: float
    eta_seconds: float | None
    data: str
    backbone: str
    storage_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPoint:
    """One trial in the table and, once COMPLETE, on the front plot."""

    number: int
    state: TrialState
    cause: str
    delta_mtl: float | None
    flops: int | None
    num_parameters: int | None
    metrics: Mapping[str, float]
    params: Mapping[str, Any]
    on_front: bool
    is_feasible: bool
    epoch: int
    num_epochs: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPoint:
    """One epoch of one trial's curves."""

    epoch: int
    phase: str
    losses: Mapping[str, float]
    metrics: Mapping[str, float]
    delta_mtl: float | None
    flops: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDetail:
    """Everything known of one trial."""

    study: str
    point: TrialPoint
    delta_per_task: Mapping[str, float]
    flops_before_cut: int | None
    gate_map: GateMap | None
    epochs: tuple[EpochPoint, ...]
    seed: int
    environment: Mapping[str, str]
    device: str
    train_flops: float | None
    peak_memory_mib: float | None
    attempts: int
    pull_command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervolumePoint:
    """Hypervolume of the feasible front after ``num_complete`` complete trials, in finishing order."""

    num_complete: int
    trial: int
    finished_at: datetime
    hypervolume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyView:
    """One consistent read of a study for its page. ``revision`` changes whenever anything shown changes."""

    revision: str
    summary: StudySummary
    points: tuple[TrialPoint, ...]
    references: tuple[ReferencePoint, ...]
    hypervolume: tuple[HypervolumePoint, ...]
