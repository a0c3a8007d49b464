"""Legend of a contact sheet: the meanings of the colors in label maps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gatefront.search.doctor.label_pictures import UNKNOWN, class_color
from gatefront.search.doctor.sheet_font import Font, drawable
from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import DataDescription

SWATCH = 10
"""Side of a colored square, in pixels."""

_GAP, _LINE_HEIGHT = 6, 14
_MEANINGS: Mapping[str, str] = {
    "depth": "black is the smallest and white the largest value of each image",
    "normals": "red, green and blue are (x + 1) / 2, (y + 1) / 2 and (z + 1) / 2",
    "edges": "white is 1, black is 0",
    "saliency": "white is 1, black is 0",
}

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """Text at ``(left, top)`` of the legend, beside a square of ``color``. None: there is no square."""

    left: int
    top: int
    text: str
    color: Color | None = None


def lay_out_legend(
    tasks: Sequence[Task], description: DataDescription, width: int, font: Font
) -> tuple[list[LegendEntry], int]:
    """Return the entries of a legend that is ``width`` pixels wide, and its height in pixels."""
    entries: list[LegendEntry] = []
    top = 0
    for task in tasks:
        if not task.is_dense:
            continue
        left = 0
        for words, color in _entries(task, description):
            swatch = 0 if color is None else SWATCH + _GAP
            text = drawable(words, font, width - swatch - 2 * _GAP)
            needed = swatch + round(font.getlength(text)) + 2 * _GAP
            if left and left + needed > width:
                left, top = 0, top + _LINE_HEIGHT
            entries.append(LegendEntry(left, top, text, color))
            left += needed
        top += _LINE_HEIGHT
    return entries, top


def _entries(task: Task, description: DataDescription) -> Iterator[tuple[str, Color | None]]:
    yield f"{task.name}:", None
    if task.kind == "segmentation":
        names = description.class_names.get(task.name)
        for number in range(task.num_outputs):
            name = names[number] if names else str(number)
            yield name if name == str(number) else f"{number} {name}", class_color(number)
    else:
        unit = f", in {description.depth_unit}" if task.kind == "depth" else ""
        yield _MEANINGS[task.kind] + unit, None
    yield "no label", UNKNOWN
