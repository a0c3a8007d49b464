"""The legend of a contact sheet: what the colors of label maps stand for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import ImageFont

from search.doctor.label_pictures import UNKNOWN, class_color
from spaces.tasks import Task

SWATCH = 10
"""The side of a colored square, in pixels."""

_GAP, _LINE_HEIGHT = 6, 14
_MEANINGS: Mapping[str, str] = {
    "depth": "dark is near, bright is far, by image",
    "normals": "red, green and blue are (x + 1) / 2, (y + 1) / 2 and (z + 1) / 2",
    "edges": "white is 1, black is 0",
    "saliency": "white is 1, black is 0",
}

Color = tuple[int, int, int]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A text at ``(left, top)`` of the legend, beside a square of ``color`` if there is one."""

    left: int
    top: int
    text: str
    color: Color | None = None


def lay_out_legend(
    tasks: Sequence[Task], class_names: Mapping[str, Sequence[str]], width: int, font: Font
) -> tuple[list[LegendEntry], int]:
    """Return the entries of a legend that is ``width`` pixels wide, and its height in pixels."""
    entries: list[LegendEntry] = []
    top = 0
    for task in tasks:
        if not task.is_dense:
            continue
        left = 0
        for text, color in _entries(task, class_names.get(task.name)):
            needed = (0 if color is None else SWATCH + _GAP) + round(font.getlength(text)) + 2 * _GAP
            if left and left + needed > width:
                left, top = 0, top + _LINE_HEIGHT
            entries.append(LegendEntry(left, top, text, color))
            left += needed
        top += _LINE_HEIGHT
    return entries, top


def _entries(task: Task, names: Sequence[str] | None) -> Iterator[tuple[str, Color | None]]:
    yield f"{task.name}:", None
    if task.kind == "segmentation":
        for number in range(task.num_outputs):
            name = names[number] if names else str(number)
            yield name if name == str(number) else f"{number} {name}", class_color(number)
    else:
        yield _MEANINGS[task.kind], None
    yield "no label", UNKNOWN
