"""Figures on the test split on pages and in the report: beside those of validation, or "validation only"."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gatefront.dashboards.pages.study.header import front_points
from gatefront.dashboards.report import report_html
from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.words_on_test import delta_on_test, on_test_sentence, on_test_text

ON_TEST = SplitFigures(delta_mtl=-9.0, delta_per_task={}, metrics={})


@pytest.fixture
def tested(view: StudyView) -> StudyView:
    """Trial 7, the best, is measured on the test split."""
    points = tuple(_measured(point) if point.number == 7 else point for point in view.points)
    references = tuple(replace(point, test_metrics=point.metrics, test_delta_mtl=-6.5) for point in view.references)
    return replace(view, points=points, references=references)


def _measured(point: TrialPoint, **fields: Confirmation) -> TrialPoint:
    return replace(point, delta_mtl=-4.0, on_test=ON_TEST, **fields)  # type: ignore[arg-type]


def test_on_test_text_tells_the_gap(tested: StudyView) -> None:
    point = tested.points[7]
    assert on_test_text(tested, point) == "on the test split −9.00 %, gap −5.00 points"
    sure: Mapping[str, Confirmation] = {
        "confirmation": Confirmation(mean=-4.5, low=-5.0, high=-4.0, seeds=3),
        "test_confirmation": Confirmation(mean=-6.0, low=-7.0, high=-5.0, seeds=3),
    }
    repeated = _measured(point, **sure)
    assert delta_on_test(repeated) == "−6.00 ± 1.00 %"
    assert on_test_text(tested, repeated) == "on the test split −6.00 ± 1.00 %, gap −1.50 points"


def test_on_test_text_says_validation_only(view: StudyView, tested: StudyView) -> None:
    point = view.points[0]
    assert on_test_text(view, point) == "validation only: no test split"
    assert on_test_text(tested, point) == "validation only: not measured on the test split"
    assert on_test_sentence(view).startswith("All figures are validation only")
    assert "validation only" not in on_test_sentence(tested)


def test_the_front_table_has_the_columns_of_a_test_split_alone(view: StudyView, tested: StudyView) -> None:
    with_test, without = str(front_points(tested)), str(front_points(view))
    assert "test Δ_MTL %" in with_test
    assert "−9.00" in with_test
    assert "−5.00" in with_test
    assert "test Δ_MTL %" not in without
    assert "validation only" in without


def test_the_report_tells_both_splits(view: StudyView, tested: StudyView) -> None:
    report = report_html(tested, [], "")
    assert "Δ_MTL, test" in report
    assert "−6.50 %" in report
    assert "validation only" in report_html(view, [], "")
