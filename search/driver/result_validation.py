"""Validation of a worker's results. Only checked results enter the store and reach the sampler."""

import logging
import math
from collections.abc import Callable

import optuna

from gatefront.search.config.latency import LatencyRule
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
from gatefront.spaces.budgets.budgets import Budgets, is_feasible
from gatefront.trainer.reporting import NetworkResult, TrialResult

logger = logging.getLogger(__name__)


class ResultValidator:
    """Validator that checks results, stores them, and tells Optuna.

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


def check_result(
    result: TrialResult,
    *,
    tasks: tuple[str, ...],
    budgets: Budgets,
    latency: LatencyRule | None = None,
) -> None:
    """Refuse a result that would corrupt the front or the sampler. One bad derived point refuses the whole trial.

    A latency over its budget is not refused, because no training can ensure it. Such a point counts as infeasible.

    Raises:
        RefusedResultError: a number is not finite, a task has no metric, the budget differs from the study's, a network
            is over what was asked of it or was not timed as asked, or derived points are not numbered apart.
    """
    if result.flop_budget != budgets.flops:
        raise RefusedResultError(f"flop_budget must be the study's {budgets.flops}, found {result.flop_budget}.")
    indices = [point.index for point in result.derived]
    if len(set(indices)) < len(indices) or any(index < 1 for index in indices):
        raise RefusedResultError(f"derived points must each have an index of their own from 1 on, found {indices}.")
    for point in result.networks:
        try:
            _check_numbers(point, tasks)
            _check_cost(point, budgets.flops)
            _check_parameters(point, budgets.params)
            _check_latency(point, latency)
        except RefusedResultError as error:
            if point.index == 0:
                raise
            raise RefusedResultError(f"derived point {point.index}: {error.message}") from error


def _check_numbers(point: NetworkResult, tasks: tuple[str, ...]) -> None:
    # A task whose single-task network has not learned has no gain over it.
    if set(point.metrics) != set(tasks) or not point.delta_per_task or set(point.delta_per_task) - set(tasks):
        raise RefusedResultError(
            f"metrics must name the tasks {', '.join(tasks)}, found {', '.join(sorted(point.metrics)) or 'none'}."
        )
    for name in ("delta_mtl", "seconds", "train_flops"):
        value = getattr(point, name)
        if not math.isfinite(value):
            raise RefusedResultError(f"{name} must be finite, found {value}.")
    for task, value in [*point.metrics.items(), *point.delta_per_task.items()]:
        if not math.isfinite(value):
            raise RefusedResultError(f"the metric of {task} must be finite, found {value}.")


def _check_cost(point: NetworkResult, flop_budget: int | None) -> None:
    if point.flops <= 0:
        raise RefusedResultError(f"flops must be above 0, found {point.flops}.")
    if not is_feasible(point.flops, flop_budget):
        raise RefusedResultError(f"flops must be at most the budget of {flop_budget:,}, found {point.flops:,}.")
    target = point.flop_target
    if target is None:
        return
    if not is_feasible(point.flops, target):
        raise RefusedResultError(f"flops must be at most the flop_target of {target:,}, found {point.flops:,}.")
    if not is_feasible(target, flop_budget):
        raise RefusedResultError(f"flop_target must be at most the budget of {flop_budget:,}, found {target:,}.")


def _check_parameters(point: NetworkResult, param_budget: int | None) -> None:
    if param_budget is not None and point.num_parameters > param_budget:
        raise RefusedResultError(
            f"num_parameters must be at most the param_budget of {param_budget:,}, found {point.num_parameters:,}."
        )


def _check_latency(point: NetworkResult, latency: LatencyRule | None) -> None:
    if latency is None:
        return
    if point.latency_ms is None:
        raise RefusedResultError(f"latency_ms is missing: the study measures it ({latency}) of every network.")
    if not (math.isfinite(point.latency_ms) and point.latency_ms > 0):
        raise RefusedResultError(f"latency_ms must be finite and above 0, found {point.latency_ms}.")
