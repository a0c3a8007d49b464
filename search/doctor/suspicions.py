"""Suspicious label values: possible ones that are most likely a mistake, such as one class only or another unit."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from gatefront.search.doctor.label_counts import LabelCounts
from gatefront.search.doctor.label_places import LabelPlaces
from gatefront.spaces.architecture.tasks import Task

_TRAINING = "training"
_WHITE = 255
_IMAGES_PER_CLASS = 5
_METRES = "metres"
_FAR = 500.0
"""Mean depth in meters from which the files are taken to count millimeters.

No camera's scene is that far on average. A scene half a meter away reaches it in millimeters.
"""


def suspicions(
    task: Task,
    counts: Mapping[str, LabelCounts],
    names: Sequence[str],
    *,
    ignored: Collection[int],
    places: LabelPlaces,
    depth_unit: str = _METRES,
) -> Iterator[str]:
    """Yield a sentence for each suspicious set of values, with a file that shows it.

    Args:
        task: the task whose labels were counted.
        counts: the statistics of its labels, by split.
        names: the classes' names, or their numbers.
        ignored: classes that no label can have.
        places: the files of the labels.
        depth_unit: the unit of depth labels. Only ``"metres"`` has an expected range.
    """
    for split, counted in counts.items():
        # A small validation split of whole images may well show one class.
        if counted.num_labelled and (task.is_dense or split == _TRAINING):
            fault = _single_value(task, split, counted, names) or _far_depth(task, split, counted, depth_unit)
            if fault is not None:
                yield f"{fault}; see {_example(places, split, counted)}"
    is_numbered = task.kind == "segmentation" or tuple(names) == tuple(map(str, range(task.num_outputs)))
    labelled = {split: counted for split, counted in counts.items() if counted.num_labelled}
    if task.kind == "normals" and labelled and all(0 <= counted.low < math.inf for counted in labelled.values()):
        example = _example(places, *next(iter(labelled.items())))
        yield f"no normal has a negative component, as if (n + 1) / 2 were stored where n is read; see {example}"
    if task.kind in ("classification", "segmentation") and is_numbered:
        yield from _numbering(task, counts, names, ignored, places)


def _single_value(task: Task, split: str, counted: LabelCounts, names: Sequence[str]) -> str | None:
    found, known = counted.found.tolist(), counted.known.tolist()
    if task.kind in ("classification", "segmentation"):
        seen = [number for number, count in enumerate(found) if count]
        if len(seen) != 1 or task.num_outputs == 1:
            return None
        unknown = 100 * (1 - counted.share_known)
        rest = f", and {unknown:.3g} % of the pixels are ignored" if task.is_dense and unknown else ""
        return f"{split} labels have no class but {_named(seen[0], names)}{rest}"
    if task.kind == "multilabel":
        is_single = all(count in (0, of) for count, of in zip(found, known, strict=True))
        return f"every attribute has one answer only in {split} labels" if is_single else None
    if task.kind in ("edges", "saliency"):
        if found[0] in (0, known[0]):
            return f"{'every' if found[0] else 'no'} pixel of the {split} labels is 1"
        return None
    if task.kind == "depth" and counted.low == counted.high:
        return f"{split} depth is {counted.low:.3g} everywhere"
    return None


def _far_depth(task: Task, split: str, counted: LabelCounts, depth_unit: str) -> str | None:
    if task.kind == "depth" and depth_unit == _METRES and counted.mean > _FAR:
        return (
            f"{split} depth is {counted.mean:,.0f} metres on average, as if the files counted millimetres "
            "(`scale = 0.001` in the dataset.toml of a folder)"
        )
    return None


def _numbering(
    task: Task,
    counts: Mapping[str, LabelCounts],
    names: Sequence[str],
    ignored: Collection[int],
    places: LabelPlaces,
) -> Iterator[str]:
    """Yield the faults in the numbers of classes, over all splits."""
    found = sum(counted.found for counted in counts.values())
    seen = [number for number in range(task.num_outputs) if int(found[number])]  # type: ignore[index]
    num_labelled = sum(counted.num_labelled for counted in counts.values())
    # With few whole images, a class that none of them shows is no surprise.
    if len(seen) < 2 or (not task.is_dense and num_labelled < _IMAGES_PER_CLASS * task.num_outputs):
        return
    example = _example(places, _TRAINING, counts[_TRAINING])
    if 0 not in seen and 0 not in ignored:
        yield (
            f"class {_named(0, names)} occurs in no label, as if the files counted from 1 "
            f"(`first_class = 1` in the dataset.toml of a folder); see {example}"
        )
    elif len(seen) == 2 and seen != [0, 1] and task.num_outputs - len(ignored) > 2:
        yield f"no classes but {' and '.join(_named(number, names) for number in seen)} occur; see {example}"


def _named(number: int, names: Sequence[str]) -> str:
    return str(number) if names[number] == str(number) else f"{number} ({names[number]})"


def _example(places: LabelPlaces, split: str, counted: LabelCounts) -> str:
    values = places.values(split, counted.first_labelled)
    holds = f", which holds {', '.join(f'{value:g}' for value in values)}" if values else ""
    if counted.task.kind == "segmentation" and set(values) == {0, _WHITE}:
        holds += f" ({_WHITE} is no class: save the second class as 1)"
    return places.name(split, counted.first_labelled) + holds
