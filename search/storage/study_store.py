"""StudyStore: all writes to our tables. Every write raises the revision, so readers can skip unchanged views."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.errors import LeaseLostError, StudyExistsError
from gatefront.search.results.latency import Latency
from gatefront.search.results.outcome import Outcome
from gatefront.search.results.records import EventKind
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.storage.database.retry import NO_RETRY, RetryPolicy, patient
from gatefront.search.storage.required_rows import require_study, require_trial
from gatefront.search.storage.tables.effective_config import store_config
from gatefront.search.storage.tables.epochs import RungEpoch, read_rung_epochs, sum_of_epochs, write_epoch
from gatefront.search.storage.tables.events import add_event
from gatefront.search.storage.tables.figures_on_test import write_test_figures
from gatefront.search.storage.tables.latencies import replace_latencies
from gatefront.search.storage.tables.networks import replace_networks
from gatefront.search.storage.tables.references import write_reference
from gatefront.search.storage.tables.schema import NetworkRow, StudyRow, TrialRow
from gatefront.trainer.reporting import EpochReport, ReferenceResult, TrialResult


@patient
class StudyStore:
    """Rows of one study, written by its driver. Each method is one short transaction that may be repeated.

    ``guard`` is called before every write and raises if this process may no longer write. If ``holder`` is given, a
    write is refused with :class:`LeaseLostError` once another driver holds the study. ``retry_policy`` retries
    transactions that an outage interrupted.
    """

    def __init__(
        self,
        engine: sa.Engine,
        study: str,
        *,
        guard: Callable[[], None] = lambda: None,
        holder: str | None = None,
        retry_policy: RetryPolicy = NO_RETRY,
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._holder = holder
        self.retry_policy = retry_policy
        self.study = study

    def as_reader(self) -> "StudyStore":
        """Return a store of the same study without retries, which raises errors at once."""
        return StudyStore(self._engine, self.study)

    @classmethod
    def create(cls, engine: sa.Engine, row: StudyRow, *, began: str | None = None) -> "StudyStore":
        """Insert a new study. Raise :class:`StudyExistsError` if the name is taken.

        ``began`` describes what it takes over from the study of its warm start; None means no warm start.
        """
        name = row.name
        try:
            with Session(engine) as session, session.begin():
                session.add(row)
                if began is not None:
                    session.flush()
                    add_event(session, name, "started_from", began)
        except sa.exc.IntegrityError as error:
            raise StudyExistsError(
                f"the database already holds a study {name!r}.",
                hint=f"Go on with `gatefront resume {name}`, or give [study] another name.",
            ) from error
        return cls(engine, name)

    def load(self) -> StudyRow:
        """Return a detached copy of the study's row. Raise :class:`StudyNotFoundError`."""
        with Session(self._engine) as session:
            row = require_study(session, self.study)
            session.expunge(row)
            return row

    def begin_session(self, kind: EventKind, detail: str, *, actor: str, is_kept: bool) -> None:
        """Record that a driver's session has begun because ``actor`` asked for it."""
        with self._writing() as session:
            require_study(session, self.study).is_kept = is_kept
            add_event(session, self.study, kind, detail, actor=actor)

    def store_config(self, config: StudyConfig) -> None:
        """Store the configuration of this session."""
        with self._writing() as session:
            # This locks the row, because the study may be extended at the same time.
            values = {"num_workers": config.study.workers or StudyRow.num_workers}
            session.execute(sa.update(StudyRow).where(StudyRow.name == self.study).values(values))
            store_config(require_study(session, self.study), config)

    def set_state(self, state: StudyState, message: str = "") -> None:
        with self._writing() as session:
            row = require_study(session, self.study)
            row.state, row.message = state, message

    def set_message(self, message: str) -> None:
        """Store a text on the study's current activity."""
        with self._writing() as session:
            require_study(session, self.study).message = message

    def open_trial(
        self,
        number: int,
        *,
        seed: int,
        num_epochs: int,
        params: Mapping[str, Any],
        confirms: int | None = None,
        initial: str | None = None,
    ) -> None:
        """Store a trial as QUEUED. If it is stored already, its other values do not change.

        Args:
            number: Optuna's number of the trial.
            seed: the seed of its training.
            num_epochs: the number of epochs that it will train.
            params: its parameters, by name.
            confirms: the trial that it repeats with another seed; None if it is no replicate.
            initial: the name of the network that it starts from; None for none.
        """
        with self._writing() as session:
            row = session.get(TrialRow, (self.study, number))
            if row is not None:
                row.state = TrialState.QUEUED
                return
            session.add(
                TrialRow(
                    study=self.study,
                    number=number,
                    state=TrialState.QUEUED,
                    cause="",
                    seed=seed,
                    attempts=0,
                    worker="",
                    epoch=0,
                    num_epochs=num_epochs,
                    confirms=confirms,
                    params=dict(params),
                    initial=initial,
                )
            )

    def start_attempt(self, number: int, worker: str) -> None:
        """Record that a worker has begun an attempt at the trial. A second call for the attempt changes nothing."""
        with self._writing() as session:
            row = require_trial(session, self.study, number)
            if (row.state, row.worker) == (TrialState.RUNNING, worker):
                return
            row.state = TrialState.RUNNING
            row.worker = worker
            row.attempts += 1
            row.started_at = row.started_at or datetime.now(UTC)

    def record_epoch(self, number: int, report: EpochReport) -> None:
        with self._writing() as session:
            row = require_trial(session, self.study, number)
            row.epoch, row.num_epochs = report.epoch, report.num_epochs
            write_epoch(session, row, report)

    def complete_trial(self, number: int, result: TrialResult) -> None:
        """Store a checked result with all its networks. They replace those of an earlier result."""
        with self._writing() as session:
            row = require_trial(session, self.study, number)
            row.state, row.cause = TrialState.COMPLETE, ""
            row.finished_at, row.seconds = datetime.now(UTC), result.seconds
            row.flops_before_cut, row.device = result.flops_before_cut, result.device
            row.peak_memory_mib, row.environment = result.peak_memory_mib, dict(result.environment)
            replace_networks(session, self.study, number, result.networks)

    def fail_trial(self, number: int, cause: str) -> None:
        with self._writing() as session:
            row = require_trial(session, self.study, number)
            row.state, row.cause = TrialState.FAILED, cause
            row.finished_at = datetime.now(UTC)
            if row.started_at is not None:
                row.seconds = (row.finished_at - row.started_at).total_seconds()

    def stop_trial_early(self, number: int, cause: str) -> None:
        """Record that the trial was stopped early. Its seconds are the sum of its epochs."""
        with self._writing() as session:
            row = require_trial(session, self.study, number)
            row.state, row.cause = TrialState.STOPPED_EARLY, cause
            row.finished_at = datetime.now(UTC)
            row.seconds = sum_of_epochs(session, self.study, number)

    def is_replicate(self, number: int) -> bool:
        """Return whether the trial repeats an earlier one with another seed."""
        with Session(self._engine) as session:
            return require_trial(session, self.study, number).confirms is not None

    def rung_epochs(self, rungs: Sequence[int]) -> list[RungEpoch]:
        """Return the trials' reports of these epochs while their gates learned, without those of void trials."""
        with Session(self._engine) as session:
            return read_rung_epochs(session, self.study, rungs)

    def requeue_trial(self, number: int) -> None:
        """Set an interrupted trial to QUEUED. It resumes from its checkpoint when the study is resumed."""
        with self._writing() as session:
            require_trial(session, self.study, number).state = TrialState.QUEUED

    def trial_states(self, *, replicates: bool = False) -> dict[int, TrialState]:
        """Return the state of every trial except replicates; with ``replicates``, of replicates only."""
        kind = TrialRow.confirms.is_not(None) if replicates else TrialRow.confirms.is_(None)
        with Session(self._engine) as session:
            rows = session.execute(sa.select(TrialRow.number, TrialRow.state).where(TrialRow.study == self.study, kind))
            return {number: TrialState(state) for number, state in rows}

    def told_states(self) -> dict[int, TrialState]:
        """Return the state of every trial for Optuna. For a void trial it is the state before the void."""
        with Session(self._engine) as session:
            state = sa.func.coalesce(TrialRow.voided_from, TrialRow.state)
            rows = session.execute(sa.select(TrialRow.number, state).where(TrialRow.study == self.study))
            return {number: TrialState(state) for number, state in rows}

    def void_trials(self) -> frozenset[int]:
        """Return the current numbers of the trials that a person declared void."""
        with Session(self._engine) as session:
            void = sa.select(TrialRow.number).where(TrialRow.study == self.study, TrialRow.state == TrialState.VOID)
            return frozenset(session.scalars(void))

    def stored_result(self, number: int) -> Outcome:
        """Return the outcome of a COMPLETE trial for Optuna, which may lack it after a crash."""
        with Session(self._engine) as session:
            own = session.get_one(NetworkRow, (self.study, number, 0))
            return Outcome(own.delta_mtl, own.flops, own.latency_ms)

    def record_latencies(self, number: int, derived: int, latencies: Iterable[Latency]) -> None:
        """Store measured latencies of a network of the trial. Raise :class:`StudyNotFoundError`."""
        with self._writing() as session:
            require_trial(session, self.study, number)
            replace_latencies(session, self.study, number, derived, latencies)

    def record_reference(
        self,
        role: str,
        result: ReferenceResult,
        *,
        is_baseline: bool,
        delta_mtl: float | None = None,
        test_delta_mtl: float | None = None,
        is_ranked: bool = True,
    ) -> bool:
        """Store a reference. A resumed study finds it in the cache and keeps the row with its cost.

        Args:
            role: its role, unique in the study.
            result: the trained reference.
            is_baseline: whether Δ_MTL and the front's reference points are computed from it.
            delta_mtl: Δ_MTL of hard sharing; None for others.
            test_delta_mtl: the same on the test split; None without one.
            is_ranked: whether Δ_MTL counts the gain over it.

        Returns:
            ``is_ranked`` as stored in the row. Within a study Δ_MTL stays the mean over the same tasks.
        """
        with self._writing() as session:
            return write_reference(
                session,
                self.study,
                role,
                result,
                is_baseline=is_baseline,
                deltas=(delta_mtl, test_delta_mtl),
                is_ranked=is_ranked,
            )

    def record_test_figures(self, number: int, derived: int, figures: SplitFigures) -> None:
        """Store what a network of the trial reached on the test split. Raise :class:`StudyNotFoundError`."""
        with self._writing() as session:
            require_trial(session, self.study, number)
            write_test_figures(session, self.study, number, derived, figures)

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        self._guard()
        with Session(self._engine) as session, session.begin():
            yield session
            mine = [StudyRow.name == self.study]
            if self._holder is not None:
                mine.append(StudyRow.driver == self._holder)
            written = session.connection().execute(
                sa.update(StudyRow).where(*mine).values(revision=StudyRow.revision + 1)
            )
            if self._holder is not None and written.rowcount != 1:
                raise LeaseLostError("another driver has taken the study over while this one was silent.")
