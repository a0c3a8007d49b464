"""Losses by kind of task: against labels, and against the outputs of a teacher."""

from gatefront.trainer.losses.distillation_loss import distillation_loss
from gatefront.trainer.losses.task_losses import (
    EDGE_POSITIVE_WEIGHT,
    balanced_edge_errors,
    count_labels,
    task_loss,
)

__all__ = ["EDGE_POSITIVE_WEIGHT", "balanced_edge_errors", "count_labels", "distillation_loss", "task_loss"]
