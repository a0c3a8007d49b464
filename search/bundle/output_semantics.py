"""Meaning of each kind of task's output, in words for a person who deploys the network."""

from dataclasses import dataclass
from typing import Literal

from gatefront.spaces.architecture.tasks import Task, TaskKind


@dataclass(frozen=True, slots=True)
class OutputMeaning:
    """Units of the raw output, and the way to read a prediction from it."""

    units: str
    how_to_read: str


_MEANINGS: dict[TaskKind, OutputMeaning] = {
    "classification": OutputMeaning("logits", "the class is the index of the largest value over axis 1"),
    "multilabel": OutputMeaning("logits", "an attribute is there where its value along axis 1 is above 0"),
    "segmentation": OutputMeaning("logits", "each pixel's class is the index of the largest value over axis 1"),
    "normals": OutputMeaning(
        "vector, not normalised", "divide each pixel's vector over axis 1 by its length to get the surface normal"
    ),
    "saliency": OutputMeaning("logits", "a pixel is salient where the value exceeds a threshold; 0 is probability 0.5"),
    "edges": OutputMeaning(
        "logits", "a pixel is an edge where the value exceeds a threshold; at 0 edges are found generously, raise it"
    ),
}


def output_meaning(task: Task, depth_unit: str) -> OutputMeaning:
    """Return how to read the output of ``task``. ``depth_unit`` is the unit of depth labels."""
    if task.kind == "depth":
        return OutputMeaning(depth_unit, "each pixel has one value; take values under 0 as 0")
    return _MEANINGS[task.kind]


def output_shape(task: Task, input_size: tuple[int, int]) -> tuple[int | Literal["batch"], ...]:
    """Return ``("batch", classes)``, or ``("batch", outputs, height, width)`` for a dense task."""
    return ("batch", task.num_outputs, *input_size) if task.is_dense else ("batch", task.num_outputs)
