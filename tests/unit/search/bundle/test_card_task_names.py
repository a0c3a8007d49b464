"""Task names in study files, tables, cards and pictures: whatever a task is called, people read and write its name."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gatefront.search.bundle.card import as_text
from gatefront.search.bundle.pictures import draw_gate_map
from gatefront.search.cli.front_table import front_csv, front_table
from gatefront.search.cli.live import render
from gatefront.search.config.parameters import Choices, FloatRange
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.study_plan import plan_study
from gatefront.search.results.records import StudyView, TaskRecord
from gatefront.search.snapshots.reader import StudyReader
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.data import DataDescription

OpenStudy = Callable[..., Any]
STUDY = '[study]\nname = "a"\n[data]\nname = "digits"\n[gates]\n'


@pytest.fixture
def view(open_table_study: OpenStudy) -> StudyView:
    """A study with one complete trial."""
    study = open_table_study()
    study.searcher.suggest("a")
    study.work("a")
    study.finish("a", delta_mtl=-2.0, flops=500)
    view: StudyView = StudyReader(study.url).view("table")
    return view


def _renamed(view: StudyView, names: tuple[str, ...]) -> StudyView:
    """The view of a study with these tasks; each has its position as metric."""
    metrics = {name: float(position) for position, name in enumerate(names)}
    tasks = tuple(
        TaskRecord(name=name, kind="classification", metric="accuracy %", higher_is_better=True) for name in names
    )
    return replace(
        view,
        summary=replace(view.summary, tasks=tasks),
        points=tuple(replace(point, metrics=metrics, on_front=True) for point in view.points),
        references=tuple(replace(point, metrics=metrics) for point in view.references),
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("tau = {low = 0.1, high = 0.3}", FloatRange(low=0.1, high=0.3)),
        ("tau = {choices = [0.1, 0.3]}", Choices[float](choices=[0.1, 0.3])),
        ("tau = {low = 0.1, depth = 0.3}", {"low": 0.1, "depth": 0.3}),
        ("tau = {log = 0.1, choices = 0.3}", {"log": 0.1, "choices": 0.3}),
        ("tau = {choices = 0.1}", {"choices": 0.1}),
        ("[gates.tau]\n'a.b' = 0.1\n'<b> 名前' = 0.3", {"a.b": 0.1, "<b> 名前": 0.3}),
    ],
)
def test_tau_of_tasks_called_as_keys_of_a_range_is_a_tau_per_task(written: str, expected: object) -> None:
    assert parse_study(STUDY + written).gates.tau == expected


def test_tau_that_may_be_a_range_or_a_tau_per_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = tuple(Task(name=name, kind="classification", num_outputs=2) for name in ("low", "high"))
    description = DataDescription(
        tasks=tasks, in_channels=1, input_size=(12, 12), mean=(0.0,), std=(1.0,), num_train=4, num_val=4
    )
    monkeypatch.setattr("gatefront.search.planning.study_plan.describe_data", lambda _: description)
    with pytest.raises(StudyFileError, match=r"Cannot tell what \[gates.tau\] is"):
        plan_study(parse_study(STUDY + "tau = {low = 0.1, high = 0.3}"))


def test_csv_columns_of_tasks_called_as_other_columns_are_marked(view: StudyView) -> None:
    names = ("flops", "task:flops", "a,b", '"x"', "名前")
    header, row = csv.reader(io.StringIO(front_csv(_renamed(view, names))))
    assert header[-5:] == ["task:flops", "task:task:flops", "a,b", '"x"', "名前"]
    assert len(set(header)) == len(header)
    assert row[-5:] == ["0.0", "1.0", "2.0", "3.0", "4.0"]


def test_terminal_shows_names_and_causes_that_look_like_markup(view: StudyView) -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)
    console.print(front_table(_renamed(view, ("[red]", "[/b]", ":smile:"))))
    failed = replace(view.points[0], cause="task [/b] is missing", delta_mtl=None)
    console.print(render(replace(view, points=(failed,), summary=replace(view.summary, message="[/i] stopped"))))
    for text in ("[red]", "[/b]", ":smile:", "task [/b] is missing", "[/i] stopped"):
        assert text in out.getvalue()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("semseg_13", "semseg_13"),
        ("名前", "名前"),
        ("a|b", r"a\|b"),
        ("<b>", r"\<b\>"),
        ("*x* `y`", r"\*x\* \`y\`"),
        ("_x_", r"\_x\_"),
        ("two\nlines", "two lines"),
    ],
)
def test_names_in_a_card_are_shown_as_they_are(name: str, expected: str) -> None:
    assert as_text(name) == expected


def test_picture_is_drawn_of_tasks_called_as_formulas(tmp_path: Path) -> None:
    names = (r"$\frac$", "$x$", "_hidden", "n" * 200)
    sites = (GateSite(name="stem", own=("10", "01", "11", "00"), flops_per_channel=4.0),)
    draw_gate_map(GateMap(tasks=names, sites=sites), tmp_path / "map.png", title=f"{datetime.now(UTC):%Y}")
    assert (tmp_path / "map.png").stat().st_size > 1000
