"""What a network is asked to predict: one record per task."""

from dataclasses import dataclass
from typing import Literal, get_args

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.task_names import require_task_name

TaskKind = Literal["classification", "multilabel", "segmentation", "depth", "normals", "edges", "saliency"]

_FIXED_OUTPUTS: dict[TaskKind, int] = {"depth": 1, "normals": 3, "edges": 1, "saliency": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task: its name, its kind, how many channels its head emits, its weight in the loss and how it is scored.

    ``metric`` is one of the kind's metrics by name; None is the usual one.
    """

    name: str
    kind: TaskKind
    num_outputs: int
    weight: float = 1.0
    metric: str | None = None

    def __post_init__(self) -> None:
        require_task_name(self.name)
        if self.kind not in get_args(TaskKind):
            raise SpaceError(
                f"task {self.name}: kind {self.kind!r} is unknown.",
                hint=f"Choose one of {', '.join(get_args(TaskKind))}.",
            )
        if self.num_outputs != _FIXED_OUTPUTS.get(self.kind, self.num_outputs) or self.num_outputs < 1:
            raise SpaceError(f"task {self.name}: num_outputs = {self.num_outputs} does not fit a {self.kind} task.")
        if not self.weight > 0:
            raise SpaceError(f"task {self.name}: weight must be above 0, found {self.weight}.")

    @property
    def is_dense(self) -> bool:
        """True if the task predicts one value per pixel: ``[batch, outputs, height, width]``."""
        return self.kind not in ("classification", "multilabel")
