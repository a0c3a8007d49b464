"""Check that a network and a data set match before anything is trained."""

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.trainer.data.dataset import DataDescription, DataError


def require_match(architecture: Architecture, description: DataDescription) -> None:
    """Require that the data has every task of the architecture, and images of the shape that it expects.

    Raises:
        DataError: they differ; the message names the difference.
    """
    known = {task.name: task for task in description.tasks}
    for task in architecture.tasks:
        if task.name not in known:
            raise DataError(f"task {task.name} is not in the data.", hint=f"It has {', '.join(known)}.")
        found = known[task.name]
        if (task.kind, task.num_outputs) != (found.kind, found.num_outputs):
            raise DataError(
                f"task {task.name} is {task.kind} with {task.num_outputs} outputs in the network, "
                f"{found.kind} with {found.num_outputs} in the data."
            )
    expected, given = (architecture.in_channels, *architecture.input_size), image_shape(description)
    if expected != given:
        raise DataError(f"the network expects images of shape {expected}, the data has {given}.")


def image_shape(description: DataDescription) -> tuple[int, int, int]:
    """Return ``(channels, height, width)``."""
    return (description.in_channels, *description.input_size)
