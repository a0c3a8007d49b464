"""Validation score: one number by which epochs and lengths of a training are compared."""

import math
from collections.abc import Mapping, Sequence

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.metrics import metric_for

_SMALLEST = 1e-6  # of a metric, so that a score exists where a task has learned nothing yet


def validation_score(tasks: Sequence[Task], metrics: Mapping[str, float]) -> float:
    """Return the mean over tasks of ``± log M_t``, with minus if lower is better.

    A difference of scores is the mean relative gain of the tasks, to first order, as Δ_MTL is. It has no unit and
    needs no reference network.

    Args:
        tasks: the tasks that count.
        metrics: the metrics of at least these tasks on the validation split.

    Returns:
        The score; higher is better.
    """
    return sum(map(_log_metric, tasks, (metrics[task.name] for task in tasks))) / len(tasks)


def _log_metric(task: Task, value: float) -> float:
    sign = 1 if metric_for(task).higher_is_better else -1
    return sign * math.log(max(value, _SMALLEST))
