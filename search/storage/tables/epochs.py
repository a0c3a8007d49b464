"""Epochs in the database, written as workers report them, and read for early stopping and cost."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.gate_history import EpochGates, GateHistory
from gatefront.search.results.states import TrialState
from gatefront.search.storage.tables.schema import EpochGatesRow, EpochRow, TrialRow
from gatefront.search.storage.tables.sql import among
from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.trainer.reporting import EpochReport


class RungEpoch(NamedTuple):
    """Epoch of one trial: Δ_MTL in percent, and FLOPs of the network with its gates after that epoch."""

    number: int
    epoch: int
    delta_mtl: float
    flops: int


def write_epoch(session: Session, trial: TrialRow, report: EpochReport) -> None:
    """Store a finished epoch and its gates. A repeated epoch replaces the earlier row."""
    session.merge(
        EpochRow(
            study=trial.study,
            number=trial.number,
            epoch=report.epoch,
            attempt=trial.attempts,
            phase=report.phase,
            losses=_finite(report.losses),
            metrics=_finite(report.metrics),
            learning_rate=report.learning_rate,
            seconds=report.seconds,
            delta_mtl=_finite_or_none(report.delta_mtl),
            flops=report.flops,
        )
    )
    if report.gates is not None and report.gates.sites:
        write_epoch_gates(session, trial, report.epoch, report.gates)


def read_rung_epochs(session: Session, study: str, rungs: Sequence[int]) -> list[RungEpoch]:
    """Return these epochs in phase ``train`` if both numbers are known, by epoch and trial, without void trials."""
    query = (
        sa.select(EpochRow.number, EpochRow.epoch, EpochRow.delta_mtl, EpochRow.flops)
        .join(TrialRow, sa.and_(TrialRow.study == EpochRow.study, TrialRow.number == EpochRow.number))
        .where(EpochRow.study == study, EpochRow.epoch.in_(rungs), EpochRow.phase == "train")
        .where(TrialRow.state != TrialState.VOID)
        .order_by(EpochRow.epoch, EpochRow.number)
    )
    return [
        RungEpoch(number, epoch, delta_mtl, flops)
        for number, epoch, delta_mtl, flops in session.execute(query)
        if delta_mtl is not None and flops is not None
    ]


def read_stopped(session: Session, study: str, numbers: Collection[int] | None = None) -> dict[int, tuple[float, int]]:
    """Return Δ_MTL and FLOPs after the last epoch of trials that were stopped early.

    ``numbers`` None means all trials.
    """
    query = (
        sa.select(TrialRow.number, EpochRow.delta_mtl, EpochRow.flops)
        .join(EpochRow, sa.and_(EpochRow.study == TrialRow.study, EpochRow.number == TrialRow.number))
        .where(TrialRow.study == study, TrialRow.state == TrialState.STOPPED_EARLY, EpochRow.epoch == TrialRow.epoch)
        .where(*among(TrialRow.number, numbers))
    )
    rows = session.execute(query)
    return {number: (delta, flops) for number, delta, flops in rows if delta is not None and flops is not None}


def read_unfinished_seconds(session: Session, study: str, numbers: Collection[int] | None = None) -> float:
    """Return the total seconds of epochs of trials that have not ended. ``numbers`` None means all trials."""
    unfinished = sa.select(TrialRow.number).where(
        TrialRow.study == study, TrialRow.seconds.is_(None), *among(TrialRow.number, numbers)
    )
    # A join would make SQLite read every epoch of the study.
    query = sa.select(sa.func.sum(EpochRow.seconds)).where(EpochRow.study == study, EpochRow.number.in_(unfinished))
    return session.scalar(query) or 0.0


def sum_of_epochs(session: Session, study: str, number: int) -> float:
    """Return the total seconds of one trial's epochs, over all its attempts."""
    total = sa.select(sa.func.sum(EpochRow.seconds)).where(EpochRow.study == study, EpochRow.number == number)
    return session.scalar(total) or 0.0


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite_or_none(value) for name, value in values.items()}


def _finite_or_none(value: float | None) -> float | None:
    # PostgreSQL's JSON has no NaN, so None leaves a gap in the curve.
    return value if value is not None and math.isfinite(value) else None


def write_epoch_gates(session: Session, trial: TrialRow, epoch: int, gates: GateCounts) -> None:
    """Store the gates after an epoch. A repeated epoch replaces the earlier row."""
    document = to_json(gates)
    own = [site.pop("own") for site in document["sites"]]
    if trial.gate_layout != document:
        trial.gate_layout = document
    session.merge(EpochGatesRow(study=trial.study, number=trial.number, epoch=epoch, own=own))


def read_gate_history(session: Session, trial: TrialRow) -> GateHistory:
    """Return the known gates of a trial, epoch by epoch."""
    layout = trial.gate_layout
    if layout is None:
        return GateHistory(num_epochs=trial.num_epochs, epochs=())
    same = [EpochRow.study == EpochGatesRow.study, EpochRow.number == EpochGatesRow.number]
    query = (
        sa.select(EpochGatesRow.epoch, EpochRow.phase, EpochGatesRow.own)
        .join(EpochRow, sa.and_(*same, EpochRow.epoch == EpochGatesRow.epoch))
        .where(EpochGatesRow.study == trial.study, EpochGatesRow.number == trial.number)
        .order_by(EpochGatesRow.epoch)
    )
    epochs = []
    for epoch, phase, own in session.execute(query):
        sites = [{**site, "own": counts} for site, counts in zip(layout["sites"], own, strict=True)]
        gates = from_json(GateCounts, {"tasks": layout["tasks"], "sites": sites})
        epochs.append(EpochGates(epoch=epoch, phase=phase, gates=gates))
    return GateHistory(num_epochs=trial.num_epochs, epochs=tuple(epochs))
