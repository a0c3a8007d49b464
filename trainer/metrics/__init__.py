"""Metrics of tasks, pooled over every label of a data set. Batches do not matter, and gaps do not count."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
    from gatefront.trainer.metrics.constant import constant_metric
    from gatefront.trainer.metrics.gain import beats_constant
    from gatefront.trainer.metrics.metric import Metric, MetricError, NoValidLabelError
    from gatefront.trainer.metrics.registry import METRICS, metric_for
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "METRICS": "registry",
            "Metric": "metric",
            "MetricError": "metric",
            "NoValidLabelError": "metric",
            "beats_constant": "gain",
            "constant_metric": "constant",
            "metric_for": "registry",
        },
    )

__all__ = [
    "METRICS",
    "Metric",
    "MetricError",
    "NoValidLabelError",
    "beats_constant",
    "constant_metric",
    "metric_for",
]
