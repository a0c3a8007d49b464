"""Validation of a worker's results. Only checked results enter the store and reach the sampler."""

import math

from gatefront.search.config.latency import LatencyRule
from gatefront.search.errors import RefusedResultError
from gatefront.spaces.budgets.budgets import Budgets, is_feasible
from gatefront.trainer.reporting import NetworkResult, TrialResult


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
