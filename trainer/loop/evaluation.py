"""Metrics and losses of a network on one split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import Sample
from gatefront.trainer.data.loader import ordered_batches
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.loop.runtime import Runtime
from gatefront.trainer.losses import count_labels, task_loss
from gatefront.trainer.metrics import metric_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Metric and loss of each task over a whole split. A loss is the mean over the labels that exist."""

    metrics: Mapping[str, float]
    losses: Mapping[str, float]


@torch.no_grad()
def evaluate(
    network: nn.Module, dataset: Dataset[Sample], tasks: Sequence[Task], *, runtime: Runtime, batch_size: int
) -> Evaluation:
    """Measure a network on the whole split, in one pass, in evaluation mode and float32.

    ``network`` is on the runtime's device and returns one prediction per task, by name or in the order of ``tasks``.

    Raises:
        DivergedError: if a prediction is not finite.
        NoValidLabelError: if the split has no label of a task.
    """
    metrics = {task.name: metric_for(task) for task in tasks}
    finite = {task.name: torch.tensor(True, device=runtime.device) for task in tasks}
    losses = _MeanLosses(tasks, runtime)
    was_training = network.training
    network.eval()
    for loaded in ordered_batches(dataset, tasks, batch_size=batch_size):
        batch = runtime.place_batch(loaded)
        predictions = _by_name(network(batch.images), tasks)
        for name, metric in metrics.items():
            metric.update(predictions[name], batch.labels[name])
            # The argmax of an accuracy hides NaN logits, so finiteness is checked separately.
            finite[name] &= predictions[name].isfinite().all()
        losses.update(predictions, batch.labels)
    network.train(was_training)
    _refuse_diverged(finite)
    found = {name: metric.compute() for name, metric in metrics.items()}
    return Evaluation(metrics=found, losses=losses.compute())


class _MeanLosses:
    """Means over all labels of a split, in float64, on the runtime's device."""

    def __init__(self, tasks: Sequence[Task], runtime: Runtime) -> None:
        self._tasks = tasks
        # Two rows: the sums of losses, and the numbers of labels.
        self._totals = torch.zeros(2, len(tasks), dtype=torch.float64, device=runtime.device)

    def update(self, predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> None:
        for position, task in enumerate(self._tasks):
            count = count_labels(task, labels[task.name])
            loss = task_loss(task, predictions[task.name], labels[task.name])
            self._totals[:, position] += torch.stack([count * loss.double(), count.double()])

    def compute(self) -> dict[str, float]:
        sums, counts = self._totals
        means: list[float] = (sums / counts.clamp(min=1)).tolist()
        return {task.name: mean for task, mean in zip(self._tasks, means, strict=True)}


def _by_name(predictions: Mapping[str, Tensor] | tuple[Tensor, ...], tasks: Sequence[Task]) -> Mapping[str, Tensor]:
    if isinstance(predictions, tuple):
        return {task.name: prediction for task, prediction in zip(tasks, predictions, strict=True)}
    return predictions


def _refuse_diverged(finite: Mapping[str, Tensor]) -> None:
    for name, is_finite in finite.items():
        if not is_finite:
            raise DivergedError(
                f"task {name}: the network predicts values that are not finite.",
                hint="Lower the learning rate, or set a gradient_clip.",
            )
