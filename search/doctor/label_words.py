"""Labels of whole images in words."""

from collections.abc import Mapping, Sequence

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX, Sample

_UNKNOWN = "?"


def label_words(tasks: Sequence[Task], sample: Sample, class_names: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sample's labels as lines of text.

    A classification has one line. Attributes have a heading, one line per *yes*, and one with the number of unknown
    ones.
    """
    return [line for task in tasks for line in _lines(task, sample, class_names.get(task.name))]


def _lines(task: Task, sample: Sample, names: Sequence[str] | None) -> list[str]:
    names = names or tuple(map(str, range(task.num_outputs)))
    label = sample.labels.get(task.name)
    if label is None:
        return [f"{task.name}: {_UNKNOWN}"]
    if task.kind == "classification":
        return [f"{task.name}: {_class_name(int(label), names)}"]
    yes = [name for name, value in zip(names, label.tolist(), strict=True) if value == 1]
    unknown = int(label.isnan().sum())
    return [f"{task.name}:", *(f"  {name}" for name in yes)] + ([f"  {unknown} {_UNKNOWN}"] if unknown else [])


def _class_name(number: int, names: Sequence[str]) -> str:
    if number == IGNORE_INDEX:
        return _UNKNOWN
    return names[number] if 0 <= number < len(names) else f"{number}, which is no class"
