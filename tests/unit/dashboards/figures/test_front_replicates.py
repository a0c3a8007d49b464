"""Repeats with other seeds on the pages: bars, intervals, ties, and rows of their own."""

from dataclasses import replace

import pytest

from gatefront.dashboards.figures.front import BEST, FRONT, front_figure, hover_text
from gatefront.dashboards.figures.hypervolume import LOWER, UPPER, Over, hypervolume_figure, steps
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.study.header import front_points, study_stats
from gatefront.dashboards.presentation.empty_states import confirmation_sentence
from gatefront.dashboards.presentation.point_text import expected_delta, sureness
from gatefront.dashboards.report import report_html
from gatefront.dashboards.widgets.trial_table import trial_rows
from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.records import StudyView, TrialPoint

LIGHT = scheme_named("light")
SURE = Confirmation(mean=-3.6, low=-4.1, high=-3.1, seeds=3)


@pytest.fixture
def confirmed(view: StudyView) -> StudyView:
    """Trial 7, the best, is confirmed; three repeats of it follow."""
    replicates = tuple(
        replace(view.points[7], number=number, confirms=7, on_front=False, delta_mtl=-3.6) for number in (12, 13, 14)
    )
    points = tuple(_confirm(point) if point.number == 7 else point for point in view.points)
    summary = replace(view.summary, hypervolume_band=(0.5, 0.75), best_delta_mtl=-3.6)
    return replace(view, points=points, replicates=replicates, summary=summary)


def _confirm(point: TrialPoint) -> TrialPoint:
    return replace(point, confirmation=SURE, tied_with=("5",))


def test_confirmed_points_have_a_bar_at_their_mean(confirmed: StudyView) -> None:
    figure = front_figure(confirmed, LIGHT)
    (front,) = [trace for trace in figure.data if trace.name == FRONT]
    position = list(front.customdata).index("7")
    assert (front.y[position], front.error_y.array[position]) == (-3.6, pytest.approx(0.5))
    assert sum(half_width > 0 for half_width in front.error_y.array) == 1
    (best,) = [trace for trace in figure.data if trace.name == BEST]
    assert list(best.y) == [-3.6]
    shown = {label for trace in figure.data if trace.customdata is not None for label in trace.customdata}
    assert shown.isdisjoint({"12", "13", "14"})


def test_without_repeats_there_is_no_bar(view: StudyView) -> None:
    assert all(trace.error_y.array is None for trace in front_figure(view, LIGHT).data)
    assert "trained once" in confirmation_sentence(view)


def test_words_say_how_sure(confirmed: StudyView) -> None:
    best = confirmed.points[7]
    assert expected_delta(best) == "−3.60 ± 0.50 %"
    assert sureness(best) == "mean of 3 other seeds −3.60 ± 0.50 %, tied with 5"
    assert "mean of 3 other seeds" in hover_text(best, confirmed)
    assert sureness(confirmed.points[0]) is None
    assert "−3.60 ± 0.50" in str(front_points(confirmed))
    assert "0.5 to 0.75 over the seeds" in str(study_stats(confirmed))


def test_neighbours_that_are_tied_are_named(confirmed: StudyView) -> None:
    front = sorted((point for point in confirmed.all_points if point.on_front), key=lambda point: point.flops or 0)
    one, other = front[-2], front[-1]
    tied = tuple(
        replace(point, tied_with=(one.label,) if point.label == other.label else (other.label,))
        if point.label in (one.label, other.label)
        else point
        for point in confirmed.points
    )
    assert f"Tied: {one.label} and {other.label}." in confirmation_sentence(replace(confirmed, points=tied))


def test_repeats_stand_in_the_table_and_in_the_report(confirmed: StudyView) -> None:
    rows = trial_rows(confirmed)
    assert [row["number"] for row in rows] == list(range(15))
    assert rows[12]["front"] == "↻ seed of 7"
    assert rows[7]["front"] == "● on it −3.60 ± 0.50 %"
    report = report_html(confirmed, (), "[study]")
    assert "↻ seed of 7" in report
    assert "95 % interval" in report


@pytest.mark.parametrize("over", ["trials", "cost"])
def test_hypervolume_has_a_band_from_the_first_confirmed_point_on(view: StudyView, over: Over) -> None:
    history = tuple(
        replace(point, band=None if point.num_complete < 4 else (point.hypervolume - 0.1, point.hypervolume + 0.2))
        for point in view.hypervolume
    )
    line, low, high = hypervolume_figure(replace(view, hypervolume=history), LIGHT, over).data
    assert (low.name, high.name, high.fill) == (LOWER, UPPER, "tonexty")
    known = [point for point in history if point.band is not None]
    assert list(zip(low.y, high.y, strict=True)) == [point.band for point in known]
    assert list(low.x) == list(high.x) == list(line.x)[3:]
    assert {trace.line.shape for trace in (line, low, high)} == {"hv"}
    words = [words for _, _, words in line.customdata]
    assert words[:3] == ["", "", ""]
    assert words[-1] == f", {low.y[-1]:.4g} to {high.y[-1]:.4g} over the seeds"


def test_a_long_history_keeps_the_steps_of_its_band(view: StudyView) -> None:
    point = view.hypervolume[0]
    history = [replace(point, num_complete=n, trial=n, hypervolume=1.0, band=None) for n in range(1, 301)]
    history[200:] = [replace(point, band=(0.5, 1.5)) for point in history[200:]]
    history[250:] = [replace(point, band=(0.5, 1.75)) for point in history[250:]]
    assert [point.num_complete for point in steps(history)] == [1, 201, 251, 300]


def test_without_a_confirmed_point_there_is_no_band(view: StudyView) -> None:
    assert len(hypervolume_figure(view, LIGHT).data) == 1
