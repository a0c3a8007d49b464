"""The JSON documents of the HTTP interface that are not records of :mod:`gatefront.search.results` themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gatefront.search.results.best_point import front_points
from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.latency import Latency
from gatefront.search.results.records import EpochPoint, HypervolumePoint, StudySummary, StudyView, num_done
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import TrialState
from gatefront.spaces.budgets.budgets import Exceeded
from gatefront.spaces.gating.gate_map import GateSite

Item = TypeVar("Item")

MOST = 2**31 - 1

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=MOST, description="Leave out so many first.")]

StudyPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
NumberPath = Annotated[int, Field(ge=0, le=MOST)]
LabelPath = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
"""A trial, ``7``, or a point derived from one, ``7.2``."""


class Model(BaseModel):
    """Frozen, made from records; a number that is none is null."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        ser_json_inf_nan="null",
        extra="ignore",
        json_schema_serialization_defaults_required=True,
    )


class Asked(BaseModel):
    """Document that a client sends. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Model, Generic[Item]):
    """A part of a list. ``total`` is the length of the whole."""

    items: tuple[Item, ...]
    total: int
    limit: int
    offset: int

    @classmethod
    def of(cls, items: Sequence[Any], limit: int, offset: int) -> Self:
        """Return at most ``limit`` of the items, without the first ``offset``."""
        return cls(items=tuple(items[offset : offset + limit]), total=len(items), limit=limit, offset=offset)


class Trial(Model):
    """One trial, or a point ``derived`` from one, which counts from 1 and has its trial's state and times.

    ``delta_mtl`` is what this network was measured to do, ``expected_delta_mtl`` what it is judged by.
    ``test_delta_mtl`` is the latter on the test split, and ``test_gap`` is test less validation; null if not measured.
    """

    label: str
    number: int
    derived: int
    state: TrialState
    cause: str
    delta_mtl: float | None
    expected_delta_mtl: float | None
    flops: int | None
    flop_target: int | None
    num_parameters: int | None
    latency_ms: float | None
    metrics: dict[str, float]
    params: dict[str, Any]
    on_front: bool
    is_feasible: bool
    exceeds: tuple[Exceeded, ...]
    epoch: int
    num_epochs: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    confirms: int | None
    confirmation: Confirmation | None
    tied_with: tuple[str, ...]
    on_test: SplitFigures | None
    test_confirmation: Confirmation | None
    test_delta_mtl: float | None
    test_gap: float | None


class Network(Model):
    """One network that a trial delivered."""

    point: Trial
    delta_per_task: dict[str, float]
    train_flops: float | None
    latencies: tuple[Latency, ...]


class TrialPage(Model):
    """Everything known of one trial but its gates, which have an address of their own."""

    study: str
    networks: tuple[Network, ...]
    epochs: tuple[EpochPoint, ...]
    seed: int
    device: str
    environment: dict[str, str]
    attempts: int
    peak_memory_mib: float | None


class LabeledGateMap(Model):
    """All gate sites of one network in depth order; ``tasks[t]`` names row ``t`` of each."""

    study: str
    label: str
    tasks: tuple[str, ...]
    sites: tuple[GateSite, ...]


class StudyDetail(Model):
    """A study with how far it is. Equal revisions mean that nothing shown of it has changed."""

    revision: str
    study: StudySummary
    num_done: int
    has_test_split: bool
    references: tuple[ReferencePoint, ...]
    hypervolume: tuple[HypervolumePoint, ...]


class Front(Model):
    """The points that are best at their cost, the cheapest first."""

    revision: str
    study: str
    flop_budget: int | None
    single_task_flops: int
    best_label: str | None
    hypervolume: float | None
    hypervolume_band: tuple[float, float] | None
    has_test_split: bool
    references: tuple[ReferencePoint, ...]
    points: tuple[Trial, ...]


def study_detail(view: StudyView) -> StudyDetail:
    return StudyDetail(
        revision=view.revision,
        study=view.summary,
        num_done=num_done(view),
        has_test_split=view.has_test_split,
        references=view.references,
        hypervolume=view.hypervolume,
    )


def study_front(view: StudyView) -> Front:
    summary = view.summary
    return Front(
        revision=view.revision,
        study=summary.name,
        flop_budget=summary.flop_budget,
        single_task_flops=summary.single_task_flops,
        best_label=summary.best_label,
        hypervolume=summary.hypervolume,
        hypervolume_band=summary.hypervolume_band,
        has_test_split=view.has_test_split,
        references=view.references,
        points=tuple(map(Trial.model_validate, front_points(view))),
    )
