"""The front beside its figures on the test split, in text, CSV and JSON."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from gatefront.search.cli.front_table import front_csv, front_document, front_notes, front_table
from gatefront.search.results.records import StudyView
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.snapshots.reader import StudyReader

OpenStudy = Callable[..., Any]
ON_TEST = SplitFigures(
    delta_mtl=-3.25, delta_per_task={"left": -3.0, "right": -3.5}, metrics={"left": 71.5, "right": 72.5}
)


@pytest.fixture
def untested(open_table_study: OpenStudy) -> StudyView:
    """A study with one complete trial, on data without a test split."""
    study = open_table_study()
    study.searcher.suggest("a")
    study.work("a")
    study.finish("a", delta_mtl=-2.0, flops=500)
    view: StudyView = StudyReader(study.url).view("table")
    references = (
        ReferencePoint(
            kind="hard_sharing", flops=400, delta_mtl=-5.0, metrics={"left": 70.0}, num_parameters=1, seconds=1.0
        ),
    )
    return replace(view, references=references)


@pytest.fixture
def tested(untested: StudyView) -> StudyView:
    references = tuple(
        replace(point, test_metrics={"left": 69.0}, test_delta_mtl=-7.5) for point in untested.references
    )
    return replace(untested, points=(replace(untested.points[0], on_test=ON_TEST),), references=references)


def shown(view: StudyView) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(front_table(view))
    return out.getvalue()


def test_figures_on_the_test_split_stand_beside_those_of_validation(tested: StudyView) -> None:
    text = shown(tested)
    trial, reference = (next(line for line in text.splitlines() if name in line) for name in ("0 *", "hard-sharing"))
    assert [cell in trial for cell in ("−2.00", "−3.25", "−1.25")] == [True] * 3
    assert [cell in reference for cell in ("−5.00", "−7.50", "−2.50")] == [True] * 3
    assert any(note.startswith("Test: of repeated and pulled points") for note in front_notes(tested))
    assert not any("validation only" in note for note in front_notes(tested))


def test_without_a_test_split_validation_only_is_said(untested: StudyView) -> None:
    assert "gap" not in shown(untested)
    assert any(note.startswith("All figures are validation only") for note in front_notes(untested))


def test_points_that_are_not_measured_yet_are_said_to_be_so(tested: StudyView) -> None:
    waiting = replace(tested, points=(replace(tested.points[0], on_test=None),))
    assert any(note.startswith("No point is measured on the test split yet") for note in front_notes(waiting))


def test_documents_hold_both_splits(tested: StudyView, untested: StudyView) -> None:
    document = front_document(tested)
    (point,) = document["points"]
    assert (document["has_test_split"], point["test_delta_mtl"], point["test_gap"]) == (True, -3.25, -1.25)
    assert (point["delta_mtl"], point["on_test"]) == (-2.0, ON_TEST)
    header, row = csv.reader(io.StringIO(front_csv(tested)))
    cells = dict(zip(header, row, strict=True))
    assert (cells["test_delta_mtl"], cells["test_gap"], cells["test:left"]) == ("-3.25", "-1.25", "71.5")
    assert front_document(untested)["has_test_split"] is False
    header, row = csv.reader(io.StringIO(front_csv(untested)))
    assert not any(column.startswith("test:") for column in header)
    assert dict(zip(header, row, strict=True))["test_gap"] == ""
