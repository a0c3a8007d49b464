"""Figures on the test split in the database, of the few networks that they are measured for."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.confirmation import Key
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.storage.tables.schema import FiguresOnTestRow


def write_test_figures(session: Session, study: str, number: int, derived: int, figures: SplitFigures) -> None:
    """Store the figures of one network. They replace earlier ones."""
    session.merge(
        FiguresOnTestRow(
            study=study,
            number=number,
            derived=derived,
            delta_mtl=figures.delta_mtl,
            delta_per_task=dict(figures.delta_per_task),
            metrics=dict(figures.metrics),
        )
    )


def read_test_figures(session: Session, study: str) -> dict[Key, SplitFigures]:
    """Return the figures of all networks of a study that have any."""
    rows = session.scalars(sa.select(FiguresOnTestRow).where(FiguresOnTestRow.study == study))
    return {
        (row.number, row.derived): SplitFigures(
            delta_mtl=row.delta_mtl, delta_per_task=row.delta_per_task, metrics=row.metrics
        )
        for row in rows
    }


def drop_test_figures(session: Session, study: str, number: int) -> None:
    """Remove the figures of all networks of a trial."""
    session.execute(
        sa.delete(FiguresOnTestRow).where(FiguresOnTestRow.study == study, FiguresOnTestRow.number == number)
    )
