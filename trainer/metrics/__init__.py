"""Metrics of tasks, pooled over every label of a data set. Batches do not matter, and gaps do not count."""

from gatefront.trainer.metrics.constant import beats_constant, constant_metric
from gatefront.trainer.metrics.metric import Metric, MetricError, NoValidLabelError
from gatefront.trainer.metrics.registry import METRICS, metric_for

__all__ = [
    "METRICS",
    "Metric",
    "MetricError",
    "NoValidLabelError",
    "beats_constant",
    "constant_metric",
    "metric_for",
]
