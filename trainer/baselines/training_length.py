"""References that are trained until more training does not help."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.baselines.references import ReferenceKind, train_reference
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.best_epoch import TOLERANCE
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.loop.validation_score import validation_score
from gatefront.trainer.reporting import ReferenceResult

MAX_DOUBLINGS = 3
"""Most doublings of the first length, so that a reference whose score creeps up ends."""

logger = logging.getLogger(__name__)


def train_long_enough(
    kind: ReferenceKind,
    architecture: Architecture,
    task_name: str | None,
    data: MultiTaskData,
    config: TrainConfig,
    *,
    cache_dir: Path,
) -> ReferenceResult:
    """Train a reference anew with twice the epochs until that does not help. Return the better of the last two.

    ``config.epochs`` is the first length. Each length is a training of its own with its own schedule, because a
    schedule that was cut short is not worth what its epochs cost. A longer one helps if its validation score is higher
    by more than the tolerance, or else it is the last. There are at most :data:`MAX_DOUBLINGS`. Every length is cached.

    Returns:
        The reference with the costs of all lengths, which ``lengths`` lists.

    Raises:
        DataError, SpaceError: see :func:`gatefront.trainer.baselines.references.train_reference`.
        DivergedError: the first length diverged. A longer one that diverges does not help.
    """
    tasks = [task for task in architecture.tasks if task_name in (None, task.name)]
    found: list[ReferenceResult] = []
    for length in doubled_lengths(config.epochs):
        recipe = replace(config, epochs=length)
        try:
            found.append(train_reference(kind, architecture, task_name, data, recipe, cache_dir=cache_dir))
        except DivergedError as error:
            if not found:
                raise
            logger.warning("%s of %d epochs diverged and is left out: %s", kind, length, error.message)
            break
        if len(found) > 1 and _score(tasks, found[-1]) <= _score(tasks, found[-2]) + TOLERANCE:
            break
    best = max(found, key=lambda result: _score(tasks, result))
    return replace(
        best,
        seconds=sum(result.seconds for result in found),
        train_flops=sum(result.train_flops for result in found),
        from_cache=all(result.from_cache for result in found),
        lengths=tuple(length for result in found for length in result.lengths),
    )


def doubled_lengths(first: int) -> tuple[int, ...]:
    """Return the lengths in epochs that :func:`train_long_enough` may train, the first one first."""
    return tuple(first * 2**doubling for doubling in range(MAX_DOUBLINGS + 1))


def _score(tasks: Sequence[Task], result: ReferenceResult) -> float:
    return validation_score(tasks, result.metrics)
