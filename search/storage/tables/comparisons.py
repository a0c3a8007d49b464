"""Comparisons in the database. Every trained system is stored as soon as it is finished."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.comparison_table import ComparisonTable, Subject, SystemRun, comparison_table
from gatefront.search.results.records import TaskRecord
from gatefront.search.storage.tables.schema import ComparisonRow


class ComparisonStore:
    """Runs of one comparison. Each method is one short transaction.

    ``setting`` is the hash of the settings that all rows of a table share. Rows with another hash belong to another
    table.
    """

    def __init__(self, engine: sa.Engine, subject: Subject, setting: str) -> None:
        self._engine = engine
        self.subject = subject
        self.setting = setting

    def begin(self) -> dict[str, SystemRun]:
        """Delete runs of another setting, and return the rest by key."""
        mine = ComparisonRow.name == self.subject.name
        with Session(self._engine) as session, session.begin():
            session.execute(sa.delete(ComparisonRow).where(mine, ComparisonRow.setting != self.setting))
            return {
                row.key: SystemRun.from_json(row.result["run"]) for row in session.scalars(_rows(self.subject.name))
            }

    def record(self, run: SystemRun, key: str, position: int) -> None:
        """Store a run. It replaces an earlier one of the same system and seed."""
        document = {name: dict(v) if isinstance(v, Mapping) else v for name, v in asdict(run).items()}
        subject = {"data": self.subject.data, "tasks": [asdict(task) for task in self.subject.tasks]}
        with Session(self._engine) as session, session.begin():
            session.merge(
                ComparisonRow(
                    name=self.subject.name,
                    system=run.system,
                    seed=run.seed,
                    position=position,
                    setting=self.setting,
                    key=key,
                    finished_at=datetime.now(UTC),
                    result={"run": document, "subject": subject},
                )
            )


def read_comparison(session: Session, name: str) -> ComparisonTable | None:
    """Return the current table; None if no run is stored."""
    rows = session.scalars(_rows(name)).all()
    if not rows:
        return None
    stored = rows[0].result["subject"]
    subject = Subject(name=name, data=stored["data"], tasks=tuple(TaskRecord(**task) for task in stored["tasks"]))
    return comparison_table(subject, [SystemRun.from_json(row.result["run"]) for row in rows])


def read_run(session: Session, name: str, system: str) -> tuple[SystemRun, str] | None:
    """Return a system's run from the first of its seeds, with its key; None if there is none."""
    row = session.scalars(_rows(name).where(ComparisonRow.system == system)).first()
    return None if row is None else (SystemRun.from_json(row.result["run"]), row.key)


def comparison_revision(session: Session, name: str) -> str | None:
    """Return a token that changes with every stored run; None if there is none."""
    latest = sa.select(sa.func.count(), sa.func.max(ComparisonRow.finished_at)).where(ComparisonRow.name == name)
    number, finished_at = session.execute(latest).one()
    return f"{number}-{finished_at}" if number else None


def list_comparison_names(session: Session) -> tuple[str, ...]:
    return tuple(session.scalars(sa.select(ComparisonRow.name).distinct().order_by(ComparisonRow.name)))


def _rows(name: str) -> sa.Select[ComparisonRow]:
    query = sa.select(ComparisonRow).where(ComparisonRow.name == name)
    return query.order_by(ComparisonRow.position, ComparisonRow.seed)
