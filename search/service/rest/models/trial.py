"""What is said of a trial and of the networks that it delivered."""

from datetime import datetime
from typing import Any

from gatefront.search.config.latency import Precision, Runtime
from gatefront.search.results.records import EpochPoint, PointDetail, TrialDetail, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.search.service.rest.models.base import Model
from gatefront.spaces.budgets.budgets import Exceeded
from gatefront.spaces.gating.gate_map import GateMap as GateMapRecord


class Confirmation(Model):
    """Mean Δ_MTL over repeats with other seeds, and its 95 % interval."""

    mean: float
    low: float
    high: float
    seeds: int


class Trial(Model):
    """One trial, or a point ``derived`` from one, which counts from 1 and has its trial's state and times.

    ``delta_mtl`` is what this network was measured to do, ``expected_delta_mtl`` what it is judged by.
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


class Epoch(Model):
    """One epoch of a trial's curves."""

    epoch: int
    phase: str
    losses: dict[str, float]
    metrics: dict[str, float]
    delta_mtl: float | None
    flops: int | None


class Latency(Model):
    """One measured forward pass, in milliseconds."""

    host: str
    device: str
    runtime: Runtime
    version: str
    threads: int
    batch: int
    precision: Precision
    median_ms: float
    p10_ms: float
    p90_ms: float
    measured_at: datetime


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
    epochs: tuple[Epoch, ...]
    seed: int
    device: str
    environment: dict[str, str]
    attempts: int
    peak_memory_mib: float | None


class GateSite(Model):
    """``own[t]`` has one character per channel: ``1`` where task ``t`` keeps a channel of its own."""

    name: str
    own: tuple[str, ...]
    flops_per_channel: float


class GateMap(Model):
    """All gate sites of one network in depth order; ``tasks[t]`` names row ``t`` of each."""

    study: str
    label: str
    tasks: tuple[str, ...]
    sites: tuple[GateSite, ...]


def trial_model(point: TrialPoint) -> Trial:
    return Trial.model_validate(point)


def trial_page(detail: TrialDetail) -> TrialPage:
    return TrialPage(
        study=detail.study,
        networks=tuple(map(_network, detail.networks)),
        epochs=tuple(map(_epoch, detail.epochs)),
        seed=detail.seed,
        device=detail.device,
        environment=dict(detail.environment),
        attempts=detail.attempts,
        peak_memory_mib=detail.peak_memory_mib,
    )


def gate_map_model(study: str, label: str, found: GateMapRecord) -> GateMap:
    sites = tuple(map(GateSite.model_validate, found.sites))
    return GateMap(study=study, label=label, tasks=found.tasks, sites=sites)


def _network(found: PointDetail) -> Network:
    return Network(
        point=trial_model(found.point),
        delta_per_task=dict(found.delta_per_task),
        train_flops=found.train_flops,
        latencies=tuple(map(Latency.model_validate, found.latencies)),
    )


def _epoch(point: EpochPoint) -> Epoch:
    return Epoch.model_validate(point)
