"""Epochs in the database as early stopping needs them: what each trial was worth and cost while its gates learned."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from search.records import TrialState
from search.storage.among import among
from search.storage.schema import EpochRow, TrialRow


class RungEpoch(NamedTuple):
    """One epoch of one trial: Δ_MTL in percent, FLOPs of the network as its gates then stood."""

    number: int
    epoch: int
    delta_mtl: float
    flops: int


def read_rung_epochs(session: Session, study: str, rungs: Sequence[int]) -> list[RungEpoch]:
    """Of these epochs each of phase ``train`` with both numbers, in order of epoch and trial, without void trials."""
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
    """Δ_MTL and FLOPs of every trial that was stopped early, after its last epoch; or of those of these trials."""
    query = (
        sa.select(TrialRow.number, EpochRow.delta_mtl, EpochRow.flops)
        .join(EpochRow, sa.and_(EpochRow.study == TrialRow.study, EpochRow.number == TrialRow.number))
        .where(TrialRow.study == study, TrialRow.state == TrialState.STOPPED_EARLY, EpochRow.epoch == TrialRow.epoch)
        .where(*among(TrialRow.number, numbers))
    )
    rows = session.execute(query)
    return {number: (delta, flops) for number, delta, flops in rows if delta is not None and flops is not None}


def read_unfinished_seconds(session: Session, study: str) -> float:
    """Seconds that the epochs of trials took that have not ended."""
    unfinished = sa.select(TrialRow.number).where(TrialRow.study == study, TrialRow.seconds.is_(None))
    # Not a join: SQLite would go through every epoch of the study.
    query = sa.select(sa.func.sum(EpochRow.seconds)).where(EpochRow.study == study, EpochRow.number.in_(unfinished))
    return session.scalar(query) or 0.0


def sum_of_epochs(session: Session, study: str, number: int) -> float:
    """Seconds that one trial's epochs took, over all its sittings."""
    total = sa.select(sa.func.sum(EpochRow.seconds)).where(EpochRow.study == study, EpochRow.number == number)
    return session.scalar(total) or 0.0
