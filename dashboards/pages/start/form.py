"""Form of the start page: fields and a study file that follow each other, and options beside the file."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.pages.start.study_file_editor import FIRST_TEXT
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import Children, card, labelled, reason
from gatefront.search.errors import StudyFileError
from gatefront.trainer.data.registry import DATA_SOURCES

MAX_BYTES = 256 * 1024
_BACKBONES = ("smallconv", "resnet20", "resnet18", "resnet50", "mobilenetv3_small_100", "vit_small_patch16_224")
FIELD_IDS: Mapping[str, str] = {
    "name": ids.START_NAME,
    "flop_budget": ids.START_BUDGET,
    "trials": ids.START_TRIALS,
    "workers": ids.START_WORKERS,
    "data": ids.START_DATA,
    "root": ids.START_ROOT,
    "backbone": ids.START_BACKBONE,
}
"""Components of the study file's fields, by field."""


def form(studies: Sequence[str]) -> Component:
    """Return the form. ``studies`` are those from which a new one may start."""
    columns = dmc.Grid(
        [
            dmc.GridCol(card("Fields", _fields(), h="100%"), span={"base": 12, "lg": 6}),
            dmc.GridCol(_file_card(), span={"base": 12, "lg": 6}),
        ],
        gutter="md",
    )
    return html.Div([html.Div(columns, className="block"), html.Div(_session_card(studies), className="block")])


def uploaded_text(contents: str) -> str:
    """Return the text of an uploaded file, which the browser sends as a data address.

    Raises:
        StudyFileError: the file is too large, or no text.
    """
    try:
        raw = base64.b64decode(contents.partition(",")[2], validate=True)
        if len(raw) > MAX_BYTES:
            raise StudyFileError(f"a study file has at most {MAX_BYTES // 1024} KiB, found {len(raw) // 1024} KiB.")
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise StudyFileError("the uploaded file is no text.", hint="Upload a study file in TOML, as UTF-8.") from error


def task_fields(tasks: Sequence[str], weights: Mapping[str, float]) -> Children:
    """Return one field per task of the data set, for its weight in the loss."""
    if not tasks:
        return reason("The tasks appear when the data set is known and the study file can be read.")
    fields: Component = dmc.Fieldset(
        dmc.SimpleGrid(
            [
                dmc.NumberInput(
                    id=ids.task_weight(task), label=task, value=weights.get(task, 1.0), min=0.01, step=0.1,
                    debounce=400,
                )
                for task in tasks
            ],
            cols={"base": 2, "sm": 3},
            spacing="sm",
        ),
        legend="Tasks and their weights in the loss",
    )  # fmt: skip
    return fields


def _fields() -> Component:
    whole: dict[str, Any] = {"min": 1, "allowDecimal": False, "debounce": 400}
    text: dict[str, Any] = {"debounce": 400}
    fields: Component = dmc.Stack(
        [
            dmc.TextInput(id=ids.START_NAME, label="Name of the study", required=True, **text),
            _pair(
                dmc.Autocomplete(id=ids.START_DATA, label="Data set", data=sorted(DATA_SOURCES), **text),
                dmc.TextInput(
                    id=ids.START_ROOT, label="Folder of its files",
                    placeholder="generated sets take none", **text,
                ),
            ),
            html.Div(id=ids.START_TASKS),
            _pair(
                dmc.Autocomplete(
                    id=ids.START_BACKBONE, label="Backbone", data=list(_BACKBONES),
                    description="gatefront's own, or any of timm's", **text,
                ),
                dmc.TextInput(
                    id=ids.START_BUDGET, label="FLOP budget",
                    description="45% of the single-task cost, or 60M", **text,
                ),
            ),
            _pair(
                dmc.NumberInput(id=ids.START_TRIALS, label="Trials", **whole),
                dmc.NumberInput(
                    id=ids.START_WORKERS, label="Workers", placeholder="GPUs, else CPU cores", **whole
                ),
            ),
        ],
        gap="sm",
    )  # fmt: skip
    return fields


def _pair(left: Component, right: Component) -> Component:
    pair: Component = dmc.SimpleGrid([left, right], cols={"base": 1, "sm": 2}, spacing="sm")
    return pair


def _file_card() -> Component:
    # The label opens the file dialog, and names the field for those who do not see it.
    upload = html.Label(
        dcc.Upload(
            html.Span(["Drop a study file here, or ", html.Span("choose one", className="like-link")]),
            id=ids.START_UPLOAD, accept=".toml,text/plain", multiple=False, className="upload",
            max_size=MAX_BYTES, disable_click=True,
        )
    )  # fmt: skip
    area = dmc.Textarea(
        id=ids.START_TEXT, label="Study file (TOML)", value=FIRST_TEXT, autosize=True, minRows=16, maxRows=28,
        debounce=400, spellCheck=False, className="code-area",
    )  # fmt: skip
    return card(
        "Study file",
        upload,
        html.Div(id=ids.START_UPLOAD_ERROR, role="status"),
        area,
        html.Div(id=ids.START_TEXT_ERROR, role="status"),
        note="This is what is started. The fields write into it, and follow it.",
        h="100%",
    )


def _session_card(studies: Sequence[str]) -> Component:
    return card(
        "This start",
        _pair(
            dmc.NumberInput(
                id=ids.START_HOURS, label="Hours at most", min=0.01, step=0.5,
                description="The study stops cleanly after so long, and can be resumed; empty: no cap.",
            ),
            dmc.Select(
                id=ids.START_EARLIER, label="Go on from an earlier study", data=list(studies), clearable=True,
                searchable=True, description="Its trials warm the sampler; empty: from nothing.",
                clearButtonProps=labelled("Clear the earlier study"),
            ),
        ),
        note="Not part of the file.",
    )  # fmt: skip
