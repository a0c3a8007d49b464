"""How tasks are scored: pooled over every label of a data set, so that batches do not matter and gaps do not count."""

from trainer.metrics.metric import Metric, MetricError, NoValidLabelError
from trainer.metrics.registry import METRICS, metric_for

__all__ = ["METRICS", "Metric", "MetricError", "NoValidLabelError", "metric_for"]
