"""Checks of each task's labels in every split: coverage, classes, ranges."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from torch.utils.data import Dataset

from gatefront.search.doctor.brightness import Brightness
from gatefront.search.doctor.check import Check
from gatefront.search.doctor.label_counts import LabelCounts, evenly_spaced
from gatefront.search.doctor.label_places import LabelPlaces
from gatefront.search.doctor.suspicions import suspicions
from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import MultiTaskData, Sample
from gatefront.trainer.data.cache.decoded_cache import Decodable
from gatefront.trainer.data.cache.decoded_split import DecodedSplit
from gatefront.trainer.data.labelled import SPLIT_WORDS
from gatefront.trainer.data.loader import num_samples

_MOST_SAMPLES = 2000
_MOST_PIXELS = 10**8  # of a split: about half a minute of reading photographs
_WITH_CLASSES = ("classification", "segmentation")
_LINE = 110

Counts = Mapping[str, LabelCounts]


def check_labels(tasks: Sequence[Task], data: MultiTaskData) -> Iterator[Check]:
    """Yield the number of samples, then the brightness of their images, then one check per task."""
    height, width = data.description.input_size
    most = max(1, min(_MOST_SAMPLES, _MOST_PIXELS // (height * width)))
    splits = {SPLIT_WORDS[name]: split for name, split in data.splits.items()}
    totals = {name: num_samples(split) for name, split in splits.items()}
    only = "" if data.test is not None else "; validation only, as there is no test split"
    yield Check("samples", True, _list_totals(totals, most) + only + _way_of_reading(data.val))
    brightness = Brightness(data.description)
    counts = {name: _count(tasks, split, most, brightness) for name, split in splits.items()}
    yield brightness.check()
    for task in tasks:
        names = data.description.class_names.get(task.name) or tuple(map(str, range(task.num_outputs)))
        of_task = {name: counts[name][task.name] for name in splits}
        ignored = data.description.ignored_classes.get(task.name, ())
        places = LabelPlaces(data, task.name)
        odd = suspicions(task, of_task, names, ignored=ignored, places=places, depth_unit=data.description.depth_unit)
        yield _check_task(task, of_task, names, [*_faults(of_task, places), *odd])


def _list_totals(totals: Mapping[str, int], most: int) -> str:
    return ", ".join(
        f"{total:,} for {name}" + (f" ({most:,} of them looked at)" if total > most else "")
        for name, total in totals.items()
    )


def _way_of_reading(split: Dataset[Sample]) -> str:
    """Describe whether samples are kept decoded.

    The text is empty for data without files and for a user's own class.
    """
    if isinstance(split, DecodedSplit):
        return "; kept decoded"
    return "; read from their files each time, see data.cache" if isinstance(split, Decodable) else ""


def _count(tasks: Sequence[Task], split: Dataset[Sample], most: int, brightness: Brightness) -> Counts:
    counts = {task.name: LabelCounts(task) for task in tasks}
    for index in evenly_spaced(num_samples(split), most):
        sample = split[index]
        brightness.add(sample.image)
        for name, counted in counts.items():
            counted.add(sample.labels.get(name), index)
    return counts


def _check_task(task: Task, counts: Counts, names: Sequence[str], faults: Sequence[str]) -> Check:
    """Return a check that passes if there are no ``faults``."""
    coverage = ", ".join(f"{100 * c.num_labelled / c.num_samples:.4g} % of {name}" for name, c in counts.items())
    detail = f"{task.kind}; labelled: {coverage}"
    if task.is_dense:
        detail += f"; of their pixels {', '.join(f'{100 * c.share_known:.4g} %' for c in counts.values())}"
    more = [line for name, counted in counts.items() for line in _describe(name, counted, names)]
    if faults:
        return Check(f"labels of {task.name}", False, "; ".join(faults), (detail, *more))
    return Check(f"labels of {task.name}", True, detail, tuple(more))


def _faults(counts: Counts, places: LabelPlaces) -> Iterator[str]:
    for split, counted in counts.items():
        if counted.num_labelled == 0:
            yield f"no {split} sample that was looked at has a label"
        if counted.num_foreign:
            first = places.name(split, counted.first_foreign)
            hint = _missing_depth_hint(counted) if counted.task.kind == "depth" else ""
            yield f"{counted.num_foreign:,} {split} values are {_FOREIGN[counted.task.kind]}{hint}, first in {first}"
        if counted.first_not_unit is not None:
            lengths, first = (
                f"{counted.shortest:.3g} to {counted.longest:.3g}",
                places.name(split, counted.first_not_unit),
            )
            yield f"{split} normals have lengths from {lengths}, expected 1, first in {first}"


def _missing_depth_hint(counted: LabelCounts) -> str:
    value = f"{counted.low:g}" if counted.low < 0 else "inf"
    return f" (if {value} stands for no depth: `missing = {value}` in the dataset.toml of a folder)"


_FOREIGN = {
    "classification": "no class of the task",
    "segmentation": "no class of the task",
    "depth": "negative or infinite",
    "normals": "infinite",
    "multilabel": "neither 0 nor 1",
    "edges": "neither 0 nor 1",
    "saliency": "neither 0 nor 1",
}


def _describe(split: str, counted: LabelCounts, names: Sequence[str]) -> list[str]:
    """Describe the values of one split in lines of text. Without a label there are none."""
    if counted.num_labelled == 0:
        return []
    kind = counted.task.kind
    if kind == "depth":
        return [f"{split}  {counted.low:.3g} to {counted.high:.3g}, mean {counted.mean:.3g}"]
    if kind == "normals":
        return [f"{split}  lengths from {counted.shortest:.4f} to {counted.longest:.4f}"]
    if kind in ("edges", "saliency"):
        return [f"{split}  {100 * counted.shares()[0]:.3g} % of the pixels are 1"]
    return _histogram(split, counted, names)


def _histogram(split: str, counted: LabelCounts, names: Sequence[str]) -> list[str]:
    ranked = sorted(zip(counted.shares(), names, strict=True), reverse=True)
    seen = ", ".join(f"{name}: {100 * share:.3g} %" for share, name in ranked if share > 0)
    lines = textwrap.wrap(f"{split}  {seen}", _LINE, subsequent_indent="  ", break_on_hyphens=False)
    if missing := [name for share, name in zip(counted.shares(), names, strict=True) if share == 0]:
        word = "never seen" if counted.task.kind in _WITH_CLASSES else "never yes"
        listed = f"{split}  {word}: {', '.join(missing)}"
        lines += textwrap.wrap(listed, _LINE, subsequent_indent="  ", break_on_hyphens=False)
    return lines
