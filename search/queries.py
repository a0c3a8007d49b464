"""StudyReader: read-only, frozen records for the command line and the dashboards, safe beside a running driver."""

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from optuna.distributions import json_to_distribution
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from search.errors import NoDatabaseError, StudyNotFoundError
from search.folders import StudyFolders
from search.pareto import Point
from search.records import EpochPoint, StudySummary, StudyView, TrialDetail, TrialState
from search.settings import database_url
from search.storage.engine import open_readonly_engine, unreachable
from search.storage.optuna_tables import STUDIES, TRIAL_PARAMS, TRIAL_VALUES, TRIALS
from search.storage.schema import EpochRow, ReferenceRow, StudyRow, TrialRow
from search.views import StudyFacts, TrialFacts, revision, study_state, study_view, trial_points
from spaces.gate_map import GateMap

# Everything but the gate map: it is large, and only a trial's own page shows it.
_TRIAL_COLUMNS = (
    TrialRow.number,
    TrialRow.state,
    TrialRow.cause,
    TrialRow.epoch,
    TrialRow.num_epochs,
    TrialRow.started_at,
    TrialRow.finished_at,
    TrialRow.seconds,
    TrialRow.result,
)


class StudyReader:
    """Reads studies from one database. Each call is one short read transaction, so each record is consistent.

    The database may not exist yet: then there are no studies. ``StoreError`` if it cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: sa.Engine | None = None

    def list_studies(self) -> tuple[StudySummary, ...]:
        """All studies, the newest first."""
        with self._reading() as session:
            if session is None:
                return ()
            rows = session.scalars(sa.select(StudyRow).order_by(StudyRow.created_at.desc())).all()
            now = datetime.now(UTC)
            return tuple(study_view(_read_facts(session, row), now).summary for row in rows)

    def view(self, study: str) -> StudyView:
        """One study's page. Raises :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, row):
            return study_view(_read_facts(session, row), datetime.now(UTC))

    def revision(self, study: str) -> str:
        """Equal revisions mean an unchanged view. Raises :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (_, row):
            return revision(row, datetime.now(UTC))

    def study_file(self, study: str) -> str:
        """The TOML text that the study was started with. Raises :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (_, row):
            return row.file_text

    def network_path(self, study: str, number: int) -> Path:
        """Where a trial's trained network lies once it is complete. Raises :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (_, row):
            return StudyFolders(Path(row.storage_dir), study).network(number)

    def cache_dir(self, study: str) -> Path:
        """Where the study's data and references are cached. Raises :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (_, row):
            return StudyFolders(Path(row.storage_dir), study).cache

    def trial(self, study: str, number: int) -> TrialDetail:
        """Everything known of one trial. Raises :class:`StudyNotFoundError`."""
        with self._reading_study(study) as (session, row):
            trial = session.get(TrialRow, (study, number))
            if trial is None:
                raise StudyNotFoundError(f"study {study!r} has no trial {number}.")
            facts = _read_facts(session, row)
            points = trial_points(facts, study_state(row, datetime.now(UTC)))
            epochs = session.scalars(
                sa.select(EpochRow).where(EpochRow.study == study, EpochRow.number == number).order_by(EpochRow.epoch)
            ).all()
            result = trial.result or {}
            return TrialDetail(
                study=study,
                point=next(point for point in points if point.number == number),
                delta_per_task=result.get("delta_per_task", {}),
                flops_before_cut=result.get("flops_before_cut"),
                gate_map=None if trial.gate_map is None else GateMap.from_json(trial.gate_map),
                epochs=tuple(_epoch_point(epoch) for epoch in epochs),
                seed=trial.seed,
                environment=result.get("environment", {}),
                device=result.get("device", ""),
                train_flops=result.get("train_flops"),
                peak_memory_mib=result.get("peak_memory_mib"),
                attempts=trial.attempts,
                pull_command=self._pull_command(study, number),
            )

    def _pull_command(self, study: str, number: int) -> str:
        words = ["gatefront", "pull", study, "--trial", str(number), "-o", f"{study}-{number}"]
        if self.url != database_url():
            words += ["--db", make_url(self.url).render_as_string(hide_password=True)]
        return shlex.join(words)

    @contextmanager
    def _reading(self) -> Iterator[Session | None]:
        """A session in a read transaction; None while there is no database or no table of ours in it."""
        try:
            if self._engine is None:
                self._engine = open_readonly_engine(self.url)
        except NoDatabaseError:
            yield None
            return
        try:
            with Session(self._engine) as session:
                found = sa.inspect(session.connection()).has_table(ReferenceRow.__tablename__)
                yield session if found else None
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise unreachable(self._engine.url, error) from error

    @contextmanager
    def _reading_study(self, study: str) -> Iterator[tuple[Session, StudyRow]]:
        with self._reading() as session:
            row = None if session is None else session.get(StudyRow, study)
            if session is None or row is None:
                raise StudyNotFoundError(
                    f"there is no study {study!r} in {make_url(self.url).render_as_string(hide_password=True)}.",
                    hint="`gatefront status` lists the studies; --db names another database.",
                )
            yield session, row


def _read_facts(session: Session, row: StudyRow) -> StudyFacts:
    values, params = _read_values(session, row.name), _read_params(session, row.name)
    trials = session.execute(sa.select(*_TRIAL_COLUMNS).where(TrialRow.study == row.name).order_by(TrialRow.number))
    references = session.scalars(
        sa.select(ReferenceRow).where(ReferenceRow.study == row.name).order_by(ReferenceRow.role)
    ).all()
    return StudyFacts(
        row=row,
        trials=[_trial_facts(trial._mapping, params, values) for trial in trials],
        references=references,
    )


def _trial_facts(
    row: Mapping[Any, Any], params: Mapping[int, Mapping[str, Any]], values: Mapping[int, Point]
) -> TrialFacts:
    number = row["number"]
    return TrialFacts(
        number=number,
        state=TrialState(row["state"]),
        cause=row["cause"],
        epoch=row["epoch"],
        num_epochs=row["num_epochs"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        seconds=row["seconds"],
        result=row["result"],
        params=params.get(number, {}),
        values=values.get(number),
    )


def _read_values(session: Session, study: str) -> dict[int, Point]:
    """``(delta_mtl, flops)`` of every trial that Optuna was told values of."""
    query = (
        sa.select(TRIALS.c.number, TRIAL_VALUES.c.objective, TRIAL_VALUES.c.value)
        .join(STUDIES, STUDIES.c.study_id == TRIALS.c.study_id)
        .join(TRIAL_VALUES, TRIAL_VALUES.c.trial_id == TRIALS.c.trial_id)
        .where(STUDIES.c.study_name == study)
    )
    found: dict[int, dict[int, float]] = {}
    for number, objective, value in session.execute(query):
        found.setdefault(number, {})[objective] = value
    return {number: (pair[0], round(pair[1])) for number, pair in found.items() if len(pair) == 2}


def _read_params(session: Session, study: str) -> dict[int, dict[str, Any]]:
    query = (
        sa.select(
            TRIALS.c.number, TRIAL_PARAMS.c.param_name, TRIAL_PARAMS.c.param_value, TRIAL_PARAMS.c.distribution_json
        )
        .join(STUDIES, STUDIES.c.study_id == TRIALS.c.study_id)
        .join(TRIAL_PARAMS, TRIAL_PARAMS.c.trial_id == TRIALS.c.trial_id)
        .where(STUDIES.c.study_name == study)
    )
    found: dict[int, dict[str, Any]] = {}
    for number, name, value, distribution in session.execute(query):
        found.setdefault(number, {})[name] = _external(value, distribution)
    return found


def _external(value: float, distribution: str) -> Any:
    # Building a distribution per row is slow for thousands of trials, and only categories need it.
    document = json.loads(distribution)
    if document["name"] == "CategoricalDistribution":
        return json_to_distribution(distribution).to_external_repr(value)
    return int(value) if document["name"] == "IntDistribution" else value


def _epoch_point(row: EpochRow) -> EpochPoint:
    return EpochPoint(
        epoch=row.epoch,
        phase=row.phase,
        losses=_curve_values(row.losses),
        metrics=_curve_values(row.metrics),
        delta_mtl=row.delta_mtl,
        flops=row.flops,
    )


def _curve_values(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
