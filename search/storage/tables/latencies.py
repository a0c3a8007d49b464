"""Latencies in the database, measured by `gatefront bench`."""

from collections.abc import Iterable
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.latency import Latency
from gatefront.search.storage.tables.schema import LatencyRow

_COLUMNS = tuple(field.name for field in fields(Latency))


def replace_latencies(session: Session, study: str, number: int, derived: int, latencies: Iterable[Latency]) -> None:
    """Store measurements of one network. Each replaces an earlier one with the same setting."""
    for latency in latencies:
        session.merge(LatencyRow(study=study, number=number, derived=derived, **asdict(latency)))


def read_latencies(session: Session, study: str, number: int) -> dict[int, tuple[Latency, ...]]:
    """Return ``{derived: measurements of gatefront bench}`` of one trial's networks, ordered by setting."""
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
