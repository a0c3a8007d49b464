"""The contact sheet: a picture of samples, each image beside its labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch.utils.data import Dataset

from gatefront.search.doctor.check import Check
from gatefront.search.doctor.label_counts import evenly_spaced
from gatefront.search.doctor.label_pictures import Picture, image_picture, label_picture
from gatefront.search.doctor.label_words import label_words
from gatefront.search.doctor.legend import SWATCH, LegendEntry, lay_out_legend
from gatefront.search.doctor.sheet_font import drawable, load_font
from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.atomic_file import replacing
from gatefront.trainer.data import DataDescription, MultiTaskData, Sample
from gatefront.trainer.data.loader import num_samples
from gatefront.trainer.data.transforms.augmentation import ChangesWithEpoch

_NUM_TRAIN, _NUM_CHANGED, _NUM_VAL = 4, 2, 2
_CELL_HEIGHT, _GAP, _LINE_HEIGHT, _WORDS_WIDTH = 160, 6, 14, 190
_WORDS_PER_CELL = _CELL_HEIGHT // _LINE_HEIGHT
_PAPER, _INK, _NO_LABEL = (255, 255, 255), (0, 0, 0), (215, 215, 215)
_FONT_SIZE = 11

Row = tuple[str, Sample]


def draw_contact_sheet(tasks: Sequence[Task], data: MultiTaskData, path: Path) -> Check:
    """Write the contact sheet to ``path``.

    It shows training samples, as they are and as training changes them, and validation samples.
    """
    rows = list(_rows(data))
    sheet = _Sheet(tasks, data.description, rows)
    with replacing(path) as fresh:
        sheet.draw().save(fresh, format="PNG")
    detail = f"{path}: {len(rows)} samples, images beside labels, and what the colors stand for"
    return Check("contact sheet", True, detail)


def _rows(data: MultiTaskData) -> Iterator[Row]:
    for name, split, most in (("train", data.train, _NUM_TRAIN), ("val", data.val, _NUM_VAL)):
        for index in evenly_spaced(num_samples(split), most):
            yield f"{name} {index}", split[index]
    if isinstance(data.train, ChangesWithEpoch):
        changed: Dataset[Sample] = data.train.at_epoch(0)
        for index in evenly_spaced(num_samples(data.train), _NUM_TRAIN)[:_NUM_CHANGED]:
            yield f"train {index}, changed", changed[index]


class _Sheet:
    """Contact sheet with one row per sample.

    The first column has the image. Each dense task has one column, and the words of all other tasks have as many as
    needed.
    """

    def __init__(self, tasks: Sequence[Task], description: DataDescription, rows: Sequence[Row]) -> None:
        self._dense = [task for task in tasks if task.is_dense]
        self._whole = [task for task in tasks if not task.is_dense]
        self._description = description
        self._rows = rows
        height, width = description.input_size
        self._cell_width = max(1, round(_CELL_HEIGHT * width / height))
        self._words = {name: label_words(self._whole, sample, description.class_names) for name, sample in rows}
        longest = max(map(len, self._words.values()))
        self._word_columns = -(-longest // _WORDS_PER_CELL)
        self._font = load_font(_FONT_SIZE)

    def draw(self) -> Image.Image:
        pictures = 1 + len(self._dense)
        width = _GAP + pictures * (self._cell_width + _GAP) + self._word_columns * (_WORDS_WIDTH + _GAP)
        pitch = _LINE_HEIGHT + _CELL_HEIGHT + _GAP
        bottom = _GAP + len(self._rows) * pitch
        legend, legend_height = lay_out_legend(self._dense, self._description, width - 2 * _GAP, self._font)
        self._canvas = Image.new("RGB", (width, bottom + legend_height + _GAP), _PAPER)
        self._pen = ImageDraw.Draw(self._canvas)
        self._draw_legend(bottom, legend)
        for number, (name, sample) in enumerate(self._rows):
            self._draw_row(_GAP + number * pitch, name, sample)
        return self._canvas

    def _draw_row(self, top: int, name: str, sample: Sample) -> None:
        self._draw_cell(0, top, name, image_picture(sample.image, self._description))
        for column, task in enumerate(self._dense, 1):
            label = sample.labels.get(task.name)
            self._draw_cell(column, top, task.name, None if label is None else label_picture(task, label))
        left = _GAP + (1 + len(self._dense)) * (self._cell_width + _GAP)
        for position, words in enumerate(self._words[name]):
            column, line = divmod(position, _WORDS_PER_CELL)
            place = (left + column * (_WORDS_WIDTH + _GAP), top + _LINE_HEIGHT * (1 + line))
            self._pen.text(place, drawable(words, self._font, _WORDS_WIDTH), fill=_INK, font=self._font)

    def _draw_legend(self, top: int, entries: Sequence[LegendEntry]) -> None:
        for entry in entries:
            left, line = _GAP + entry.left, top + entry.top
            if entry.color is not None:
                self._pen.rectangle((left, line + 2, left + SWATCH - 1, line + 1 + SWATCH), fill=entry.color)
                left += SWATCH + _GAP
            self._pen.text((left, line), entry.text, fill=_INK, font=self._font)

    def _draw_cell(self, column: int, top: int, title: str, picture: Picture | None) -> None:
        left = _GAP + column * (self._cell_width + _GAP)
        self._pen.text((left, top), drawable(title, self._font, self._cell_width), fill=_INK, font=self._font)
        top += _LINE_HEIGHT
        if picture is None:
            self._pen.rectangle((left, top, left + self._cell_width - 1, top + _CELL_HEIGHT - 1), fill=_NO_LABEL)
            self._pen.text((left + _GAP, top + _GAP), "no label", fill=_INK, font=self._font)
            return
        # Nearest, because a mean of two class colors would be the color of a third.
        cell = Image.fromarray(np.ascontiguousarray(picture))
        self._canvas.paste(cell.resize((self._cell_width, _CELL_HEIGHT), Image.Resampling.NEAREST), (left, top))
