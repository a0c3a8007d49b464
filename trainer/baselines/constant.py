"""Score of a constant prediction on a data set, computed once and kept in the cache."""

import json
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.atomic_folder import obtain_folder
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.data.loader import ordered_batches
from gatefront.trainer.metrics.constant import constant_metric

_VERSION = 1
_RECORD = "metric.json"


def constant_reference(task: Task, data: MultiTaskData, *, batch_size: int, cache_dir: Path) -> float:
    """Return the task's metric of the best constant prediction on the validation split.

    Args:
        task: the task, with the metric that scores it.
        data: both splits; their fingerprint names the result in the cache.
        batch_size: how many samples are read at a time.
        cache_dir: the folder that also holds references.

    Returns:
        The metric, in its own unit.

    Raises:
        NoValidLabelError: the split has no label of the task.
    """

    def labels() -> Iterator[Tensor]:
        for batch in ordered_batches(data.val, [task], batch_size=batch_size):
            yield batch.labels[task.name]

    def build(target: Path) -> None:
        (target / _RECORD).write_text(json.dumps({"task": task.name, "value": constant_metric(task, labels)}))

    folder = cache_dir / "constants" / _key(task, data)[:32]
    obtain_folder(folder, is_intact=_is_intact, build=build)
    return float(json.loads((folder / _RECORD).read_text())["value"])


def _key(task: Task, data: MultiTaskData) -> str:
    settings = [task.name, task.kind, task.num_outputs, task.metric]
    return hash_json({"version": _VERSION, "task": settings, "data": data.fingerprint})


def _is_intact(folder: Path) -> bool:
    try:
        return isinstance(json.loads((folder / _RECORD).read_text())["value"], float)
    except (OSError, ValueError, KeyError):
        return False
