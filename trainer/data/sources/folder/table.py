"""``labels.csv``: labels of whole images, one row per image, one column per task or attribute."""

import csv
import re
from collections.abc import Mapping, Set
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor

from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.options import nearest_known
from gatefront.trainer.data.sources.folder.files import image_name
from gatefront.trainer.data.sources.folder.manifest import TaskEntry

TABLE = "labels.csv"
_SEPARATORS = (",", ";", "\t")  # of equals the first is taken
_SEPARATOR_LINE = re.compile(r"\Asep=.\r?\n")  # Excel's own first line


def read_table(path: Path, tasks: Mapping[str, TaskEntry]) -> dict[str, dict[str, Tensor]]:
    """Return the labels by image name, without ending. The first column names the image. An empty cell is a gap.

    A classification's column has the name of the task and holds a class's name (or number, if classes have no names). A
    multilabel task has a column of 0 and 1 per class.

    Raises:
        DataError: a column is missing, an image comes twice or a cell has none of the known values; the row is
        named.
    """
    columns = {column for name, entry in tasks.items() for column in _columns(name, entry)}
    rows = _read_rows(path, columns)
    header = rows[0]
    if missing := sorted(columns - set(header[1:])):
        raise DataError(
            f"{path} has no column {missing[0]!r} ({len(missing)} of {len(columns)} are missing).",
            hint=nearest_known("column", missing[0], header[1:])
            if len(header) > 1
            else "Separate cells by commas, semicolons or tabs.",
        )
    if twice := sorted(column for column in columns if header.count(column) > 1):
        raise DataError(f"{path} has column {twice[0]!r} twice.", hint="Keep one of them.")
    labels: dict[str, dict[str, Tensor]] = {}
    for number, row in enumerate(rows[1:], 2):
        where = f"{path}, line {number}"
        if len(row) != len(header):
            raise DataError(f"{where} has {len(row)} cells, the header {len(header)}.")
        name = image_name(row[0])
        if name in labels:
            raise DataError(f"{where}: {name!r} has a row already.")
        cells = dict(zip(header, row, strict=True))
        found = {task: _label(cells, task, entry, where) for task, entry in tasks.items()}
        labels[name] = {task: label for task, label in found.items() if label is not None}
    return labels


def _read_rows(path: Path, columns: Set[str]) -> list[list[str]]:
    """Return the cells. The separator is the one that finds most of the columns in the header."""
    try:
        text = _SEPARATOR_LINE.sub("", path.read_text(encoding="utf-8-sig"))
        found = [_split(text, separator) for separator in _SEPARATORS]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8.", hint="Save it as UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    rows = max(found, key=lambda rows: len(columns & set(rows[0])) if rows else 0)
    if not rows:
        raise DataError(f"{path} is empty.", hint="Its first line names the columns.")
    return rows


def _split(text: str, separator: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in csv.reader(StringIO(text), delimiter=separator) if row]


def _columns(name: str, entry: TaskEntry) -> tuple[str, ...]:
    return entry.class_names if entry.kind == "multilabel" else (name,)


def _label(cells: Mapping[str, str], task: str, entry: TaskEntry, where: str) -> Tensor | None:
    if entry.kind == "multilabel":
        values = [_look_up(cells[column], ("0", "1"), column, where) for column in entry.class_names]
        known = torch.tensor([torch.nan if value is None else float(value) for value in values])
        return None if known.isnan().all() else known
    number = _look_up(cells[task], entry.class_names, task, where)
    return None if number is None else torch.tensor(number)


def _look_up(cell: str, known: tuple[str, ...], column: str, where: str) -> int | None:
    if cell == "":
        return None
    if cell not in known:
        raise DataError(f"{where}: {column} is {cell!r}, expected one of {', '.join(known)}, or nothing.")
    return known.index(cell)
