"""Derived points in the database: written with their trial, read without their gate maps where those are not shown."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.storage.tables.schema import DerivedPointRow
from gatefront.trainer.reporting import DerivedResult

_COLUMNS = ("delta_mtl", "flops", "flop_target", "num_parameters", "seconds", "metrics", "gate_map")


def replace_derived_points(session: Session, study: str, number: int, points: Iterable[DerivedResult]) -> None:
    """Write a trial's derived points in place of all that it had."""
    session.execute(sa.delete(DerivedPointRow).where(DerivedPointRow.study == study, DerivedPointRow.number == number))
    session.add_all(_new_row(study, number, point) for point in points)


def read_derived_points(session: Session, study: str, number: int) -> Sequence[DerivedPointRow]:
    """One trial's derived points with everything known of them, in order."""
    query = sa.select(DerivedPointRow).where(DerivedPointRow.study == study, DerivedPointRow.number == number)
    return session.scalars(query.order_by(DerivedPointRow.derived)).all()


def _new_row(study: str, number: int, point: DerivedResult) -> DerivedPointRow:
    document = asdict(point)
    derived = document.pop("index")
    columns = {name: document.pop(name) for name in _COLUMNS}
    return DerivedPointRow(study=study, number=number, derived=derived, result=document, **columns)
