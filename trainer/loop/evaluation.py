"""Metrics of a network on one split."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import Sample
from gatefront.trainer.data.loader import ordered_batches
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.loop.runtime import Runtime
from gatefront.trainer.metrics import metric_for


@torch.no_grad()
def evaluate(
    network: nn.Module, dataset: Dataset[Sample], tasks: Sequence[Task], *, runtime: Runtime, batch_size: int
) -> dict[str, float]:
    """Return the metric of each task over the whole split, in evaluation mode and float32.

    ``network`` is on the runtime's device and returns one prediction per task, by name or in the order of ``tasks``.

    Raises:
        DivergedError: if a prediction is not finite.
        NoValidLabelError: if the split has no label of a task.
    """
    metrics = {task.name: metric_for(task) for task in tasks}
    finite = {task.name: torch.tensor(True, device=runtime.device) for task in tasks}
    was_training = network.training
    network.eval()
    for loaded in ordered_batches(dataset, tasks, batch_size=batch_size):
        batch = runtime.place_batch(loaded)
        predictions = _by_name(network(batch.images), tasks)
        for name, metric in metrics.items():
            metric.update(predictions[name], batch.labels[name])
            # The argmax of an accuracy hides NaN logits, so finiteness is checked separately.
            finite[name] &= predictions[name].isfinite().all()
    network.train(was_training)
    _refuse_diverged(finite)
    return {name: metric.compute() for name, metric in metrics.items()}


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
