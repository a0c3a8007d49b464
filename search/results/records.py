"""Frozen records for the command line, the dashboards and the bundles.

No SQL row or Optuna object leaves `search`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.latency import Latency
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import DONE_STATES, StudyState, TrialState
from gatefront.spaces.budgets.budgets import Budgets, Exceeded
from gatefront.spaces.gating.gate_map import GateMap

Value = TypeVar("Value")

NotServed = Annotated[Value, Field(exclude=True)]
"""A field that the HTTP interface leaves out where it sends the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """Task as views show it. ``metric`` is a name with unit, e.g. ``"accuracy %"`` or ``"mean angle deg"``."""

    name: str
    kind: str
    metric: str
    higher_is_better: bool


EventKind = Literal["started", "resumed", "stop_asked", "hours_set", "extended", "voided", "unvoided", "started_from"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEvent:
    """Change that a person made to a study, or its origin. ``actor`` is empty if nobody was recorded."""

    at: datetime
    kind: EventKind
    detail: str
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary:
    """Study as one line of a list. FLOPs are 2 per multiply-add, batch 1.

    ``flop_budget`` None means no budget. ``param_budget_text`` is the budget of parameters as written, empty for none.
    ``latency`` holds how every network is timed and its budget; None means that the study does not measure it.
    ``best_trial`` is the number of the trial of the best point, and ``best_label`` names the point itself.
    ``started_from`` is the earlier study of its warm start.

    ``seconds_spent`` is worker time, and ``reference_seconds`` is the part of it for references. ``gpus_per_worker`` is
    the share of a GPU that a worker held, 0 on a CPU. ``hypervolume_band`` is None while no point is confirmed.

    ``heartbeat_at`` is the driver's last heartbeat; None means no driver. The driver's session began at
    ``driver_since`` and is limited to ``max_hours``; None means no limit. A session that ``is_kept`` is resumed by the
    service that started it.
    """

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
    best_trial: NotServed[int | None]
    best_label: str | None
    best_delta_mtl: float | None
    hypervolume: float | None
    seconds_spent: float
    eta_seconds: float | None
    data: str
    backbone: str
    storage_dir: NotServed[str]
    param_budget_text: str = ""
    latency: LatencyRule | None = None
    started_from: str | None = None
    reference_seconds: float = 0.0
    gpus_per_worker: float = 0.0
    num_workers: int = 1
    hypervolume_band: tuple[float, float] | None = None
    heartbeat_at: datetime | None = None
    driver_since: datetime | None = None
    max_hours: float | None = None
    is_kept: bool = False

    @property
    def budgets(self) -> Budgets:
        """Budgets of the study's points. The budget of parameters is known as text alone, so it is missing."""
        return Budgets(flops=self.flop_budget, latency_ms=None if self.latency is None else self.latency.budget_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPoint:
    """Trial in the table and, once COMPLETE, on the front plot; or a point ``derived`` from one.

    ``derived`` 0 is the trial's own point. Others count from 1 and have the trial's state and times. ``flop_target`` is
    the point's own target; None means that only the study's budget bounds it. ``latency_ms`` is the median time of a
    forward pass, if the study measures it. A complete point is feasible if it ``exceeds`` no budget.

    A replicate ``confirms`` another trial and is on no front. ``delta_mtl`` is the measurement of this network alone.
    ``confirmation`` is the result of its replicates. ``tied_with`` names the neighbors on the front that they cannot
    tell it from. ``stopped_at`` is Δ_MTL and FLOPs of a trial that was stopped early, after its last epoch.

    ``on_test`` are the network's figures on the test split, ``test_confirmation`` those of its replicates, if measured.
    """

    number: int
    derived: int = 0
    state: TrialState
    cause: str
    delta_mtl: float | None
    flops: int | None
    flop_target: int | None = None
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
    latency_ms: float | None = None
    exceeds: tuple[Exceeded, ...] = ()
    confirms: int | None = None
    confirmation: Confirmation | None = None
    tied_with: tuple[str, ...] = ()
    stopped_at: tuple[float, int] | None = None
    on_test: SplitFigures | None = None
    test_confirmation: Confirmation | None = None

    @property
    def expected_delta_mtl(self) -> float | None:
        """Mean Δ_MTL of the point's replicates, or its own measurement if it is not confirmed."""
        return self.delta_mtl if self.confirmation is None else self.confirmation.mean

    @property
    def half_width(self) -> float | None:
        """Half of the 95 % interval of :attr:`expected_delta_mtl`, in percentage points; None if not confirmed."""
        return None if self.confirmation is None else self.confirmation.half_width

    @property
    def test_delta_mtl(self) -> float | None:
        """Mean Δ_MTL of the point's replicates on the test split, or its own one; None if it is not measured."""
        own = None if self.on_test is None else self.on_test.delta_mtl
        return own if self.test_confirmation is None else self.test_confirmation.mean

    @property
    def test_half_width(self) -> float | None:
        """Half of the 95 % interval of :attr:`test_delta_mtl`, in percentage points; None if not repeated."""
        return None if self.test_confirmation is None else self.test_confirmation.half_width

    @property
    def test_gap(self) -> float | None:
        """Δ_MTL on the test split less that on the validation split, of the same networks, in percentage points."""
        if self.test_confirmation is not None and self.confirmation is not None:
            return self.test_confirmation.mean - self.confirmation.mean
        if self.on_test is None or self.delta_mtl is None:
            return None
        return self.on_test.delta_mtl - self.delta_mtl

    @property
    def label(self) -> str:
        """Label such as ``7``, or ``7.2`` for the second point derived from trial 7."""
        return str(PointLabel(self.number, self.derived))

    def requested(self, flop_budget: int | None) -> int | None:
        """Return the requested FLOPs: this point's own target, else the study's budget."""
        return flop_budget if self.flop_target is None else self.flop_target


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPoint:
    """Epoch of a trial's curves."""

    epoch: int
    phase: str
    losses: Mapping[str, float]
    metrics: Mapping[str, float]
    delta_mtl: float | None
    flops: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointDetail:
    """Everything known of one network that a trial delivered.

    ``train_flops`` is the compute for this network in addition to the trial's other networks. ``latencies`` are its
    measurements by `gatefront bench`.
    """

    point: TrialPoint
    delta_per_task: Mapping[str, float]
    gate_map: GateMap | None
    train_flops: float | None
    pull_command: str
    latencies: tuple[Latency, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDetail(PointDetail):
    """Everything known of one trial: of its own network, of the trial as a whole, and of the ``derived`` networks."""

    study: str
    flops_before_cut: int | None
    epochs: tuple[EpochPoint, ...]
    seed: int
    environment: Mapping[str, str]
    device: str
    peak_memory_mib: float | None
    attempts: int
    derived: tuple[PointDetail, ...] = ()

    @property
    def networks(self) -> tuple[PointDetail, ...]:
        """The trial's own point, followed by those derived from it."""
        return (self, *self.derived)


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervolumePoint:
    """Hypervolume of the feasible front after ``num_complete`` complete trials, in finishing order.

    A trial's derived points are added with it. ``band`` holds the hypervolumes with every confirmed point at the lower
    and at the upper end of its interval. It is None while no point is confirmed.
    """

    num_complete: int
    trial: int
    finished_at: datetime
    hypervolume: float
    band: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """Consistent read of one study for its page.

    ``revision`` changes whenever anything shown changes. ``points`` are the trials, and ``derived`` are further
    networks of the COMPLETE ones. ``replicates`` are the trials that only confirm others, with their derived points.
    """

    revision: str
    summary: StudySummary
    points: tuple[TrialPoint, ...]
    references: tuple[ReferencePoint, ...]
    hypervolume: tuple[HypervolumePoint, ...]
    derived: tuple[TrialPoint, ...] = ()
    events: tuple[StudyEvent, ...] = ()
    replicates: tuple[TrialPoint, ...] = ()

    @property
    def trials(self) -> tuple[TrialPoint, ...]:
        """All trials in order of their numbers, including replicates."""
        if not self.replicates:
            return self.points
        replicates = (point for point in self.replicates if not point.derived)
        return tuple(sorted((*self.points, *replicates), key=lambda point: point.number))

    @property
    def all_points(self) -> tuple[TrialPoint, ...]:
        """The trials, followed by the points derived from them."""
        return self.points + self.derived

    @property
    def has_test_split(self) -> bool:
        """True if the references were measured on a test split. If not, all figures are of the validation split."""
        return any(reference.test_metrics for reference in self.references)

    @cached_property
    def front(self) -> tuple[TrialPoint, ...]:
        """Points on the front. They are cached because a page needs these few of thousands several times."""
        return tuple([point for point in self.all_points if point.on_front])

    @property
    def best(self) -> TrialPoint | None:
        """Feasible point with the best Δ_MTL; None if there is none."""
        trial, label = self.summary.best_trial, self.summary.best_label
        return next((p for p in self.all_points if p.number == trial and p.label == label), None)


def num_done(view: StudyView) -> int:
    return sum(view.summary.state_counts.get(state, 0) for state in DONE_STATES)
