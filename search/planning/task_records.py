"""Records of a study's tasks, as views show them."""

from collections.abc import Iterable

from gatefront.search.results.records import TaskRecord
from gatefront.spaces import Task
from gatefront.trainer.metrics import metric_for


def task_records(tasks: Iterable[Task]) -> tuple[TaskRecord, ...]:
    """Return a record of each task with the metric that scores it."""
    return tuple(_task_record(task) for task in tasks)


def _task_record(task: Task) -> TaskRecord:
    metric = metric_for(task)
    return TaskRecord(name=task.name, kind=task.kind, metric=metric.label, higher_is_better=metric.higher_is_better)
