"""Δ_MTL: the mean relative gain of the tasks together over each task alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import GatefrontError
from gatefront.trainer.metrics import metric_for


class DeltaMtlError(GatefrontError, ValueError):
    """Error for metrics that leave Δ_MTL undefined."""


@dataclass(frozen=True, slots=True)
class DeltaMtl:
    """Gain in percent; positive is better than single-task. ``mean`` is the mean of ``per_task``."""

    mean: float
    per_task: Mapping[str, float]


def delta_mtl(
    tasks: Sequence[Task], metrics: Mapping[str, float], single_task_metrics: Mapping[str, float]
) -> DeltaMtl:
    """Compute ``100/T Σ_t (-1)^{l_t} (M_t - B_t) / B_t``, with l_t = 1 if lower is better (Maninis et al. 2019).

    Args:
        tasks: the tasks to average over.
        metrics: the network's metrics of at least these tasks.
        single_task_metrics: the metrics of the single-task networks.

    Returns:
        The mean, and each task's gain.

    Raises:
        DeltaMtlError: there is no task, one has no metric, or its single-task reference is 0.
    """
    if not tasks:
        raise DeltaMtlError("Δ_MTL needs a task whose single-task network has learned, found none.")
    per_task = {task.name: _relative_gain(task, metrics, single_task_metrics) for task in tasks}
    return DeltaMtl(sum(per_task.values()) / len(per_task), per_task)


def _relative_gain(task: Task, metrics: Mapping[str, float], single_task_metrics: Mapping[str, float]) -> float:
    for name, given in (("metrics", metrics), ("single_task_metrics", single_task_metrics)):
        if task.name not in given:
            raise DeltaMtlError(f"{name} has no value for task {task.name}, only for {', '.join(sorted(given))}.")
    reference, metric = single_task_metrics[task.name], metric_for(task)
    if reference == 0:
        raise DeltaMtlError(
            f"task {task.name}: the single-task reference scores 0 ({metric.label}), so no gain over it is defined.",
            hint="It has not learned: check the task's labels with `gatefront doctor`, or train it for longer."
            if metric.higher_is_better
            else "Without an error nothing can be gained: check with `gatefront doctor` that its labels vary.",
        )
    sign = 1 if metric.higher_is_better else -1
    return 100 * sign * (metrics[task.name] - reference) / reference
