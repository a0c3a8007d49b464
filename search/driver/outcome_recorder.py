"""Recording of what becomes of trials: in our tables first, and then in Optuna's."""

import logging
from collections.abc import Callable

import optuna

from gatefront.search.config.latency import LatencyRule
from gatefront.search.driver.result_validation import check_result
from gatefront.search.driver.worker.messages import (
    AttemptStarted,
    EpochFinished,
    Message,
    TrialFailed,
    TrialFinished,
    TrialInterrupted,
)
from gatefront.search.errors import RefusedResultError
from gatefront.search.results.outcome import Outcome
from gatefront.search.results.states import TrialState
from gatefront.search.sampling.optuna_study import mark_untrainable, tell_complete, tell_failed, tell_stopped_early
from gatefront.search.storage.database.retry import RetryPolicy
from gatefront.search.storage.study_store import StudyStore
from gatefront.spaces.budgets.budgets import Budgets

logger = logging.getLogger(__name__)


class OutcomeRecorder:
    """Recorder of the messages of workers. Results are checked before they are stored and told to Optuna.

    Our row is written first. If the driver dies in between, a resume tells Optuna from that row. ``on_end`` is called
    once both know that a trial has ended.
    """

    def __init__(
        self,
        study: optuna.Study,
        store: StudyStore,
        *,
        tasks: tuple[str, ...],
        budgets: Budgets,
        latency: LatencyRule | None = None,
        on_end: Callable[[int, TrialState], None] = lambda _number, _state: None,
    ) -> None:
        self._study = study
        self._store = store
        self._tasks = tasks
        self._budgets = budgets
        self._latency = latency
        self._on_end = on_end

    @property
    def retry_policy(self) -> RetryPolicy:
        """Policy that waits for the database during an outage."""
        return self._store.retry_policy

    def receive(self, trial: optuna.Trial, message: Message) -> bool:
        """Process one message, and return True if it is the trial's last one."""
        if isinstance(message, AttemptStarted):
            self._store.start_attempt(trial.number, message.worker)
            return False
        if isinstance(message, EpochFinished):
            self._store.record_epoch(trial.number, message.report)
            return False
        if isinstance(message, TrialInterrupted):
            self.interrupt(trial)
        elif isinstance(message, TrialFailed):
            self.fail(trial, message.cause, is_deterministic=message.is_deterministic)
        else:
            self._complete(trial, message)
        return True

    def fail(self, trial: optuna.Trial, cause: str, *, is_deterministic: bool = False) -> None:
        """End the trial as FAILED. The study continues.

        A deterministic failure teaches the sampler to avoid the trial's point.
        """
        logger.warning("trial %d failed: %s", trial.number, cause)
        if is_deterministic:
            mark_untrainable(trial)
        self._store.fail_trial(trial.number, cause)
        tell_failed(self._study, trial, self._budgets)
        self._on_end(trial.number, TrialState.FAILED)

    def stop_early(self, trial: optuna.Trial, cause: str) -> None:
        """End the trial as STOPPED_EARLY, because it was judged not to be worth its remaining epochs.

        The trial is done, and on no front.
        """
        self._store.stop_trial_early(trial.number, cause)
        tell_stopped_early(self._study, trial)
        self._on_end(trial.number, TrialState.STOPPED_EARLY)

    def interrupt(self, trial: optuna.Trial) -> None:
        """Queue the trial again, because it was stopped with the study.

        Optuna keeps it RUNNING until a resume continues it.
        """
        self._store.requeue_trial(trial.number)

    def _complete(self, trial: optuna.Trial, message: TrialFinished) -> None:
        try:
            check_result(
                message.result,
                tasks=self._tasks,
                budgets=self._budgets,
                latency=self._latency,
            )
        except RefusedResultError as error:
            self.fail(trial, error.message)
            return
        result = message.result
        self._store.complete_trial(trial.number, result)
        tell_complete(self._study, trial, Outcome(result.delta_mtl, result.flops, result.latency_ms), self._budgets)
        self._on_end(trial.number, TrialState.COMPLETE)
