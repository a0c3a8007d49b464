"""Comparisons in the database: every trained system as soon as it is there."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from search.comparison.table import SystemRun
from search.storage.schema import ComparisonRow


class ComparisonStore:
    """The runs of the comparison called ``name``; each method is one short transaction."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    def record(self, run: SystemRun, key: str) -> None:
        """Store a run in place of an earlier one of the same system and seed."""
        result = {name: dict(v) if isinstance(v, Mapping) else v for name, v in asdict(run).items()}
        with Session(self._engine) as session, session.begin():
            session.merge(
                ComparisonRow(
                    name=self.name,
                    system=run.system,
                    seed=run.seed,
                    key=key,
                    finished_at=datetime.now(UTC),
                    result=result,
                )
            )

    def known(self) -> dict[str, SystemRun]:
        """Every stored run, by its key."""
        with Session(self._engine) as session:
            rows = session.scalars(sa.select(ComparisonRow).where(ComparisonRow.name == self.name))
            return {row.key: SystemRun.from_json(row.result) for row in rows}
