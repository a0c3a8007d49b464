"""Pages, tables and figures with names of tasks that HTML, Plotly, Dash and the grid would read as something else."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.dashboards.figures.channel_pattern import channel_pattern_figure
from gatefront.dashboards.figures.curves import loss_figure
from gatefront.dashboards.figures.front import front_figure
from gatefront.dashboards.figures.gate_map import gate_map_figure
from gatefront.dashboards.figures.labels import as_label, axis_labels
from gatefront.dashboards.figures.sharing import affinity_figure, flops_figure, flow_figure
from gatefront.dashboards.figures.task_deltas import task_deltas_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.start.form import task_fields
from gatefront.dashboards.pages.start.page import form_update
from gatefront.dashboards.pages.start.study_file_editor import FIRST_TEXT, task_weights
from gatefront.dashboards.pages.study.front import controls, read_floors
from gatefront.dashboards.report import report_html
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.ids import task_key, task_of_key
from gatefront.dashboards.widgets.trial_table import trial_columns, trial_rows, trial_window
from gatefront.search.results.records import EpochPoint, StudyView
from gatefront.spaces.gating.gate_map import GateMap, GateSite

LIGHT = scheme_named("light")
NAMES = ("</script><b>a.b</b>", "%{x} {} $x$", "2024-01-01")
SHOWN = ("&lt;/script&gt;&lt;b&gt;a.b&lt;/b&gt;", "&#37;{x} {} &#36;x&#36;", "2024-01-01")
SITES = tuple(GateSite(name=f"layer{i}", own=("10", "01", "11"), flops_per_channel=8.0) for i in range(2))
MAP = GateMap(tasks=NAMES, sites=SITES)


@pytest.fixture
def renamed(view: StudyView) -> StudyView:
    old = [task.name for task in view.summary.tasks]
    names = dict(zip(old, NAMES, strict=True))

    def rename(record: Any) -> Any:
        return replace(record, metrics={names[name]: value for name, value in record.metrics.items()})

    tasks = tuple(replace(task, name=names[task.name]) for task in view.summary.tasks)
    return replace(
        view,
        summary=replace(view.summary, tasks=tasks),
        points=tuple(map(rename, view.points)),
        derived=tuple(map(rename, view.derived)),
        references=tuple(map(rename, view.references)),
    )


def _fields(columns: list[dict[str, Any]]) -> dict[str, str]:
    """Heading to field."""
    flat = [column for group in columns for column in group.get("children", [group])]
    return {column["headerName"]: column["field"] for column in flat}


@given(st.text())
def test_task_of_key_gives_the_name_back(name: str) -> None:
    key = task_key(name)
    assert key.isalnum() or not name
    assert task_of_key(key) == name


def test_trial_table_with_awkward_names_holds_each_metric_under_its_heading(renamed: StudyView) -> None:
    fields, rows = _fields(trial_columns(renamed)), trial_rows(renamed)
    for name in NAMES:
        assert fields[name].replace("_", "").isalnum()
        assert [row[fields[name]] for row in rows] == [point.metrics.get(name) for point in renamed.trials]
    best = trial_window(
        renamed, {"startRow": 0, "endRow": 1, "sortModel": [{"colId": fields[NAMES[0]], "sort": "desc"}]}
    )
    highest = max(point.metrics[NAMES[0]] for point in renamed.trials if point.metrics)
    assert best["rowData"][0][fields[NAMES[0]]] == highest


def test_floors_of_awkward_names_are_read_back(renamed: StudyView) -> None:
    floors, _ = controls(renamed)
    ids = [json.loads(json.dumps(floor.id)) for floor in floors]  # type: ignore[attr-defined]
    assert all(not set(".{}") & set(id_["task"]) for id_ in ids)
    assert read_floors(ids, [1, 2, 3]) == dict(zip(NAMES, (1.0, 2.0, 3.0), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_start_form_writes_the_weight_of_an_awkward_name(name: str) -> None:
    text = form_update(ids.task_weight(name), 0.5, FIRST_TEXT, None)[0]
    assert task_weights(text) == {name: 0.5}
    assert task_fields([name], task_weights(text)) is not None


def test_figures_show_awkward_names_as_they_are(renamed: StudyView) -> None:
    for figure in (gate_map_figure(MAP, LIGHT, keep="a"), channel_pattern_figure(NAMES, SITES[0], LIGHT)):
        assert tuple(figure.data[0].y) == SHOWN
        assert figure.layout.yaxis.type == "category"
    affinity = affinity_figure(MAP, LIGHT)
    assert tuple(affinity.data[0].x) == tuple(affinity.data[0].y) == SHOWN
    assert affinity.layout.xaxis.type == affinity.layout.yaxis.type == "category"
    deltas = task_deltas_figure(dict.fromkeys(NAMES, 1.0), renamed.summary.tasks, LIGHT)
    assert tuple(deltas.data[0].y) == SHOWN
    assert [bar.name for bar in flops_figure(MAP, LIGHT).data] == ["shared branch", *SHOWN]


def test_flow_figure_nodes_lie_within_the_picture_one_below_the_other() -> None:
    sites = tuple(
        GateSite(name=f"stage{number}.1", flops_per_channel=10.0, own=(own, own))
        for number, own in ((1, "00"), (2, "11"), (3, "00"))
    )
    node = flow_figure(GateMap(tasks=("one", "two"), sites=sites), LIGHT).data[0].node
    gap = 8 / 356  # of the picture's height
    unit = (1 - gap) / 2
    # Both tasks are shared in the first and last stage, and each keeps to itself in the middle one.
    assert list(node.y) == pytest.approx([unit, unit / 2, unit * 3 / 2 + gap, unit])


def test_axis_labels_long_names_lose_their_middle_and_stay_apart() -> None:
    long = "a" * 100 + "<b>"
    assert axis_labels([long, "short"]) == ["a" * 14 + "…" + "a" * 10 + "&lt;b&gt;", "short"]
    alike = ["a" * 50 + "x" + "a" * 50, "a" * 50 + "y" + "a" * 50]
    assert axis_labels(alike) == alike


def test_losses_of_awkward_names_are_lines_of_their_own(renamed: StudyView) -> None:
    losses = dict.fromkeys(NAMES, 1.0)
    epoch = EpochPoint(epoch=1, phase="train", losses=losses, metrics={}, delta_mtl=None, flops=None)
    figure = loss_figure([epoch], renamed.summary.tasks, LIGHT)
    assert tuple(line.name for line in figure.data) == SHOWN
    assert all(shown in line.hovertemplate for shown, line in zip(SHOWN, figure.data, strict=True))


def test_no_figure_holds_an_awkward_name_that_is_not_escaped(renamed: StudyView) -> None:
    figures: list[go.Figure] = [
        front_figure(renamed, LIGHT), flow_figure(MAP, LIGHT), affinity_figure(MAP, LIGHT), flops_figure(MAP, LIGHT),
        gate_map_figure(MAP, LIGHT, keep="a"),
    ]  # fmt: skip
    for figure in figures:
        text = json.dumps(json.loads(figure.to_json()), ensure_ascii=False)
        assert "<b>a.b" not in text
        assert "%{x} {}" not in text


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.bold: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "script" not in self._open and "style" not in self._open:
            (self.bold if "b" in self._open else self.text).append(data)


def test_report_shows_awkward_names_as_text(renamed: StudyView) -> None:
    page = _Elements()
    page.feed(report_html(renamed, [], ""))
    assert not any("a.b" in text for text in page.bold)
    for name in NAMES:
        assert any(text.startswith(f"{name}, accuracy") for text in page.text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_labels_of_different_names_differ(one: str, other: str) -> None:
    assert (as_label(one) == as_label(other)) == (one == other)
    assert not set("<>$%") & set(as_label(one).replace("&#37;", "").replace("&#36;", ""))
