"""The rows of a study that one read transaction brings: ours, beside Optuna's parameters."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.distributions import json_to_distribution
from sqlalchemy.orm import Session

from gatefront.search.results.confirmation import Key
from gatefront.search.results.outcome import Point
from gatefront.search.results.records import StudyEvent
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.lazy_json import LazyJson
from gatefront.search.storage.tables.epochs import read_stopped, read_unfinished_seconds
from gatefront.search.storage.tables.events import read_events
from gatefront.search.storage.tables.latencies import read_study_latencies
from gatefront.search.storage.tables.optuna_tables import STUDIES, TRIAL_PARAMS, TRIALS
from gatefront.search.storage.tables.schema import DerivedPointRow, ReferenceRow, StudyRow, TrialRow
from gatefront.search.storage.tables.sql import among

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
    TrialRow.confirms,
    TrialRow.void_reason,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTrial:
    """One trial as read: our row's columns beside Optuna's parameters."""

    number: int
    state: TrialState
    cause: str
    epoch: int
    num_epochs: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    result: Mapping[str, Any]
    params: Mapping[str, Any]
    confirms: int | None = None
    stopped_at: Point | None = None


class RawDerivedPoint(NamedTuple):
    """One derived point as read; a tuple, as there may be several per trial."""

    number: int
    derived: int
    delta_mtl: float
    flops: int
    flop_target: int
    num_parameters: int
    seconds: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRows:
    """One read of a study.

    ``derived`` are those of all ``trials``, whatever their state. ``values`` are of every point that counts: own and
    derived ones of COMPLETE trials, also of trials that were not asked for. ``latencies`` are in milliseconds, also of
    points that do not count, and empty where the study measures none. ``confirms`` says of repeats which trial they
    repeat. ``unfinished_seconds`` is what the epochs of trials took that have not ended.
    """

    row: StudyRow
    trials: Sequence[RawTrial]
    derived: Sequence[RawDerivedPoint]
    references: Sequence[ReferenceRow]
    values: Mapping[Key, Point]
    latencies: Mapping[Key, float]
    confirms: Mapping[int, int]
    events: tuple[StudyEvent, ...] = ()
    unfinished_seconds: float = 0.0


def read_facts(session: Session, row: StudyRow, numbers: Collection[int] | None = None) -> StudyRows:
    """The whole study; or what is of these trials alone, beside the study's references and events."""
    trials = _read_trials(session, row.name, numbers)
    derived = _read_derived(session, row.name, numbers)
    own = {trial.number: point for trial in trials if (point := _own_value(trial)) is not None}
    values: dict[Key, Point] = {(number, 0): point for number, point in own.items()}
    # A derived point counts from the moment that its trial does.
    values.update(((d.number, d.derived), (d.delta_mtl, d.flops)) for d in derived if d.number in own)
    return StudyRows(
        row=row,
        trials=trials,
        derived=derived,
        references=_read_references(session, row.name),
        values=values,
        latencies={} if row.latency is None else read_study_latencies(session, row.name, numbers),
        confirms={trial.number: trial.confirms for trial in trials if trial.confirms is not None},
        events=read_events(session, row.name),
        unfinished_seconds=read_unfinished_seconds(session, row.name, numbers),
    )


def read_marks(session: Session, study: str) -> frozenset[str]:
    """A line per trial, which is another after whatever is written of a trial that has ended.

    Of others nothing can be told by it: their epochs and what Optuna knows of them are not looked at.
    """
    number, state = sa.cast(TrialRow.number, sa.Text), sa.cast(TrialRow.state, sa.Text)
    finished_at = sa.func.coalesce(sa.cast(TrialRow.finished_at, sa.Text), "")
    reason = sa.func.replace(sa.func.coalesce(TrialRow.void_reason, ""), "\n", " ")
    mark = number.concat(" ").concat(state).concat(finished_at).concat(reason)
    # As one text: to fetch thousands of rows takes several times as long as to read them.
    found = session.scalar(sa.select(sa.func.aggregate_strings(mark, "\n")).where(TrialRow.study == study))
    return frozenset(found.split("\n") if found else ())


def marked_number(mark: str) -> int:
    """The trial that a line of :func:`read_marks` is of."""
    return int(mark.partition(" ")[0])


def _read_trials(session: Session, study: str, numbers: Collection[int] | None) -> list[RawTrial]:
    query = sa.select(*_TRIAL_COLUMNS).where(TrialRow.study == study, *among(TrialRow.number, numbers))
    params = _read_params(session, study, numbers)
    stopped = read_stopped(session, study, numbers)
    return [
        RawTrial(
            number=row.number,
            state=TrialState(row.state),
            # Why it is void matters more than why it had failed.
            cause=row.cause if row.void_reason is None else row.void_reason,
            epoch=row.epoch,
            num_epochs=row.num_epochs,
            started_at=row.started_at,
            finished_at=row.finished_at,
            seconds=row.seconds,
            result=row.result or {},
            params=params.get(row.number, {}),
            confirms=row.confirms,
            stopped_at=stopped.get(row.number),
        )
        for row in session.execute(query.order_by(TrialRow.number))
    ]


def _read_derived(session: Session, study: str, numbers: Collection[int] | None) -> list[RawDerivedPoint]:
    *plain, metrics = [getattr(DerivedPointRow, name) for name in RawDerivedPoint._fields]
    query = sa.select(*plain, sa.cast(metrics, sa.Text)).where(
        DerivedPointRow.study == study, *among(DerivedPointRow.number, numbers)
    )
    rows = session.execute(query.order_by(DerivedPointRow.number, DerivedPointRow.derived))
    return [RawDerivedPoint._make((*plain, LazyJson(text))) for *plain, text in rows]


def _read_references(session: Session, study: str) -> Sequence[ReferenceRow]:
    return session.scalars(sa.select(ReferenceRow).where(ReferenceRow.study == study).order_by(ReferenceRow.role)).all()


def _own_value(trial: RawTrial) -> Point | None:
    """``(delta_mtl, flops)`` of a COMPLETE trial.

    They are read from the row that says COMPLETE. Optuna is told later, and a look in between would find none.
    """
    if trial.state is not TrialState.COMPLETE or "delta_mtl" not in trial.result:
        return None
    return float(trial.result["delta_mtl"]), int(trial.result["flops"])


def _read_params(session: Session, study: str, numbers: Collection[int] | None) -> dict[int, dict[str, Any]]:
    query = (
        sa.select(
            TRIALS.c.number, TRIAL_PARAMS.c.param_name, TRIAL_PARAMS.c.param_value, TRIAL_PARAMS.c.distribution_json
        )
        .join(STUDIES, STUDIES.c.study_id == TRIALS.c.study_id)
        .join(TRIAL_PARAMS, TRIAL_PARAMS.c.trial_id == TRIALS.c.trial_id)
        .where(STUDIES.c.study_name == study, *among(TRIALS.c.number, numbers))
    )
    found: dict[int, dict[str, Any]] = {}
    for trial, name, value, distribution in session.execute(query):
        found.setdefault(trial, {})[name] = _external(distribution)(value)
    return found


@lru_cache(maxsize=1024)
def _external(distribution: str) -> Callable[[float], Any]:
    """What makes a parameter's value of the number that Optuna stores. A study has few distributions, written often."""
    name = json.loads(distribution)["name"]
    if name == "CategoricalDistribution":
        return json_to_distribution(distribution).to_external_repr
    return int if name == "IntDistribution" else float
