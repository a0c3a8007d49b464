"""What is said of a comparison."""

from gatefront.search.results.comparison_table import ComparisonTable
from gatefront.search.service.rest.models.base import Model
from gatefront.search.service.rest.models.study import Task


class Spread(Model):
    """A mean over seeds and its sample standard deviation; null for a single seed."""

    mean: float
    deviation: float | None


class Line(Model):
    """One system. ``mean_rank`` is over tasks, 1 is best."""

    system: str
    num_seeds: int
    metrics: dict[str, Spread]
    delta_per_task: dict[str, Spread]
    delta_mtl: Spread
    mean_rank: float
    flops: int
    num_parameters: int
    train_flops: float
    seconds: float


class Comparison(Model):
    """A comparison of systems on one data set, as far as it has come."""

    name: str
    data: str
    tasks: tuple[Task, ...]
    lines: tuple[Line, ...]


def comparison_model(table: ComparisonTable) -> Comparison:
    return Comparison.model_validate(table)
