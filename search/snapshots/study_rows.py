"""The rows of a study that one read transaction brings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.confirmation import Key
from gatefront.search.results.outcome import Point
from gatefront.search.results.records import StudyEvent
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.lazy_json import LazyJson
from gatefront.search.storage.tables.epochs import read_stopped, read_unfinished_seconds
from gatefront.search.storage.tables.events import read_events
from gatefront.search.storage.tables.schema import NetworkRow, ReferenceRow, StudyRow, TrialRow
from gatefront.search.storage.tables.sql import among

_TRIAL_COLUMNS = (
    TrialRow.number,
    TrialRow.state,
    TrialRow.cause,
    TrialRow.epoch,
    TrialRow.num_epochs,
    TrialRow.started_at,
    TrialRow.finished_at,
    TrialRow.seconds,
    TrialRow.confirms,
    TrialRow.void_reason,
    sa.cast(TrialRow.params, sa.Text).label("params"),
    sa.cast(TrialRow.environment, sa.Text).label("environment"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTrial:
    """One trial as read. ``environment`` is None until it has a result."""

    number: int
    state: TrialState
    cause: str
    epoch: int
    num_epochs: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    params: Mapping[str, Any]
    environment: Mapping[str, Any] | None
    confirms: int | None = None
    stopped_at: Point | None = None


class RawNetwork(NamedTuple):
    """One network of a trial as read; a tuple, as there may be several per trial. Gate maps are left out."""

    number: int
    derived: int
    delta_mtl: float
    flops: int
    flop_target: int | None
    num_parameters: int
    latency_ms: float | None
    seconds: float
    metrics: Mapping[str, float]

    @property
    def key(self) -> Key:
        return self.number, self.derived


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRows:
    """One read of a study.

    ``networks`` are those of all ``trials``, whatever their state. ``values`` are of the networks that count: those of
    COMPLETE trials. ``latencies`` are what the workers timed, in milliseconds, also of networks that do not count; they
    are empty where the study measures none. ``confirms`` says of replicates which trial they repeat.
    ``unfinished_seconds`` is what the epochs of trials took that have not ended.
    """

    row: StudyRow
    trials: Sequence[RawTrial]
    networks: Mapping[Key, RawNetwork]
    references: Sequence[ReferenceRow]
    values: Mapping[Key, Point]
    latencies: Mapping[Key, float]
    confirms: Mapping[int, int]
    events: tuple[StudyEvent, ...] = ()
    unfinished_seconds: float = 0.0


def read_facts(session: Session, row: StudyRow, numbers: Collection[int] | None = None) -> StudyRows:
    """Return the whole study; or these trials alone, beside the study's references and events."""
    trials = _read_trials(session, row.name, numbers)
    networks = _read_networks(session, row.name, numbers)
    complete = {trial.number for trial in trials if trial.state is TrialState.COMPLETE}
    timed = networks if row.latency is not None else {}
    return StudyRows(
        row=row,
        trials=trials,
        networks=networks,
        references=_read_references(session, row.name),
        values={key: (found.delta_mtl, found.flops) for key, found in networks.items() if key[0] in complete},
        latencies={key: found.latency_ms for key, found in timed.items() if found.latency_ms is not None},
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
            params=LazyJson(row.params),
            environment=None if row.environment is None else LazyJson(row.environment),
            confirms=row.confirms,
            stopped_at=stopped.get(row.number),
        )
        for row in session.execute(query.order_by(TrialRow.number))
    ]


def _read_networks(session: Session, study: str, numbers: Collection[int] | None) -> dict[Key, RawNetwork]:
    *plain, metrics = [getattr(NetworkRow, name) for name in RawNetwork._fields]
    query = sa.select(*plain, sa.cast(metrics, sa.Text)).where(
        NetworkRow.study == study, *among(NetworkRow.number, numbers)
    )
    rows = session.execute(query.order_by(NetworkRow.number, NetworkRow.derived))
    networks = (RawNetwork._make((*plain, LazyJson(text))) for *plain, text in rows)
    return {network.key: network for network in networks}


def _read_references(session: Session, study: str) -> Sequence[ReferenceRow]:
    return session.scalars(sa.select(ReferenceRow).where(ReferenceRow.study == study).order_by(ReferenceRow.role)).all()
