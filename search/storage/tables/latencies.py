"""Measured latencies in the database: those of `gatefront bench`, a row each, and those in the workers' results."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.latency import Latency
from gatefront.search.storage.tables.schema import DerivedPointRow, LatencyRow, TrialRow
from gatefront.search.storage.tables.sql import among

_COLUMNS = tuple(field.name for field in fields(Latency))


def replace_latencies(session: Session, study: str, number: int, derived: int, latencies: Iterable[Latency]) -> None:
    """Write measurements of one network; each replaces an earlier one of its setting."""
    for latency in latencies:
        session.merge(LatencyRow(study=study, number=number, derived=derived, **asdict(latency)))


def read_study_latencies(
    session: Session, study: str, numbers: Collection[int] | None = None
) -> dict[tuple[int, int], float]:
    """``{(number, derived): milliseconds}`` of what a study's workers timed, or of these trials' networks alone.

    ``derived`` 0 is a trial's own network.
    """
    own = sa.select(TrialRow.number, sa.literal(0), TrialRow.result["latency_ms"].as_float())
    derived = sa.select(
        DerivedPointRow.number, DerivedPointRow.derived, DerivedPointRow.result["latency_ms"].as_float()
    )
    rows = [
        *session.execute(own.where(TrialRow.study == study, *among(TrialRow.number, numbers))),
        *session.execute(derived.where(DerivedPointRow.study == study, *among(DerivedPointRow.number, numbers))),
    ]
    return {(number, index): latency for number, index, latency in rows if latency is not None}


def read_latencies(session: Session, study: str, number: int) -> dict[int, tuple[Latency, ...]]:
    """``{derived: measurements of gatefront bench}`` of one trial's networks, alike ones beside each other."""
    if not sa.inspect(session.connection()).has_table(LatencyRow.__tablename__):
        return {}  # An earlier release wrote this database.
    order = (LatencyRow.host, LatencyRow.device, LatencyRow.precision, LatencyRow.threads, LatencyRow.batch)
    query = (
        sa.select(LatencyRow)
        .where(LatencyRow.study == study, LatencyRow.number == number)
        .order_by(LatencyRow.derived, *order, LatencyRow.runtime)
    )
    found: dict[int, list[Latency]] = {}
    for row in session.scalars(query):
        found.setdefault(row.derived, []).append(Latency(**{name: getattr(row, name) for name in _COLUMNS}))
    return {derived: tuple(latencies) for derived, latencies in found.items()}
