"""Architecture: everything that decides the shape of a trial's networks, before any weight exists."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from spaces.errors import SpaceError
from spaces.tasks import Task

Stem = Literal["default", "small"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The record from which single-task, hard-sharing and gated networks of one capacity are built.

    ``input_size`` is ``(height, width)`` in pixels. ``stem="small"`` replaces the stride-4 stem of an
    ImageNet ResNet by a 3x3 convolution of stride 1, as networks for 32-64 px images have it.
    """

    backbone: str
    tasks: tuple[Task, ...]
    in_channels: int
    input_size: tuple[int, int]
    stem: Stem = "default"
    width: float = 1.0
    head_width: int = 32
    pretrained: bool = False

    def __post_init__(self) -> None:
        if not self.tasks:
            raise SpaceError("tasks is empty: a network needs at least one task.")
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise SpaceError(f"task names must differ, found {', '.join(names)}.")
        if not (math.isfinite(self.width) and self.width > 0):
            raise SpaceError(f"width must be above 0, found {self.width}.")
        if min(*self.input_size, self.in_channels, self.head_width) < 1:
            raise SpaceError(
                f"input_size {self.input_size}, in_channels {self.in_channels} "
                f"and head_width {self.head_width} must be at least 1."
            )

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; :meth:`from_json` gives the same record back."""
        return asdict(self) | {"input_size": list(self.input_size), "tasks": [asdict(task) for task in self.tasks]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Architecture":
        fields = dict(document)
        tasks = tuple(Task(**task) for task in fields.pop("tasks"))
        height, width = fields.pop("input_size")
        return cls(tasks=tasks, input_size=(int(height), int(width)), **fields)
