"""Metrics by kind of task. The first metric of a kind is its default."""

from collections.abc import Callable, Mapping

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.metrics.attributes import AttributeAccuracy, AttributeF1
from gatefront.trainer.metrics.classes import Accuracy, BinaryF1, MeanIou, MeanIouOfAllClasses, PixelAccuracy
from gatefront.trainer.metrics.depth import AbsoluteError, DepthRmse, RelativeError
from gatefront.trainer.metrics.edges import BalancedEdgeLoss, OptimalScaleF
from gatefront.trainer.metrics.metric import Metric, MetricError
from gatefront.trainer.metrics.normals import MeanAngle, MedianAngle, Within11, Within22, Within30
from gatefront.trainer.metrics.saliency import SaliencyF, SaliencyIou

METRICS: Mapping[TaskKind, Mapping[str, Callable[[Task], Metric]]] = {
    "classification": {"accuracy": Accuracy, "f1": BinaryF1},
    "multilabel": {"accuracy": AttributeAccuracy, "f1": AttributeF1},
    "segmentation": {"miou": MeanIou, "miou_all_classes": MeanIouOfAllClasses, "pixel_accuracy": PixelAccuracy},
    "depth": {"rmse": DepthRmse, "abs_err": AbsoluteError, "rel_err": RelativeError},
    "normals": {
        "mean_angle": MeanAngle,
        "median_angle": MedianAngle,
        "within_11": Within11,
        "within_22": Within22,
        "within_30": Within30,
    },
    "edges": {"balanced_bce": BalancedEdgeLoss, "ods_f": OptimalScaleF},
    "saliency": {"max_iou": SaliencyIou, "max_f": SaliencyF},
}


def metric_for(task: Task) -> Metric:
    """Return a new accumulator of the metric that scores the task.

    Raises:
        MetricError: if the task names a metric that its kind does not have.
    """
    known = METRICS[task.kind]
    name = task.metric if task.metric is not None else next(iter(known))
    if name not in known:
        raise MetricError(
            f"task {task.name}: metric {name!r} does not score {task.kind} tasks.",
            hint=f"Choose one of {', '.join(known)}.",
        )
    return known[name](task)
