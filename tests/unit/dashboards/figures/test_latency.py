"""What the pages say of a study that measures latency, and that they say nothing of it otherwise."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.utils import PlotlyJSONEncoder

from gatefront.dashboards.figures.front import hover_text
from gatefront.dashboards.figures.latency import latency_figure, latency_sentence, measured_points, rank_correlation
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.study.page import study_update
from gatefront.dashboards.pages.trial.page import trial_update
from gatefront.dashboards.presentation.empty_states import front_sentence
from gatefront.dashboards.report import report_html
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import ClientState
from gatefront.dashboards.widgets.trial_table import trial_columns, trial_rows
from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState

LIGHT = scheme_named("light")
RULE = LatencyRule(budget_ms=3.0, threads=2)
SLOW = "4"


def timed(view: StudyView) -> StudyView:
    """The sample study with a latency per finished network, 1 ms per MFLOP, but for trial 4 that takes too long."""
    return replace(
        view,
        summary=replace(view.summary, latency=RULE),
        points=tuple(_timed(point) for point in view.points),
        derived=tuple(_timed(point) for point in view.derived),
    )


def _timed(point: TrialPoint) -> TrialPoint:
    if point.flops is None:
        return point
    if point.label == SLOW:
        return replace(point, latency_ms=7.125, is_feasible=False, on_front=False, exceeds=("latency",))
    return replace(point, latency_ms=point.flops / 1e6)


def text_of(thing: Any) -> str:
    return json.dumps(thing, cls=PlotlyJSONEncoder, ensure_ascii=False)


def columns_of(view: StudyView) -> list[str]:
    return [child["field"] for column in trial_columns(view) for child in column.get("children", [column])]


def test_the_figure_shows_every_measured_network_once(view: StudyView) -> None:
    measured = timed(view)
    figure = latency_figure(measured, LIGHT)
    rows = [row for trace in figure.data for row in zip(trace.customdata, trace.x, trace.y, strict=True)]
    shown = {label: (x, y) for label, x, y in rows}
    points = measured_points(measured)
    assert sum(len(trace.x) for trace in figure.data) == len(points) == len(shown) > 8
    for point in points:
        assert shown[point.label] == pytest.approx(((point.flops or 0) / 1e6, point.latency_ms))
    (over,) = (trace for trace in figure.data if trace.name == "Over budget")
    assert list(over.customdata) == [SLOW]
    assert "Trial 4</b> · too slow<br>7.12 ms at 1.190 MFLOPs" in over.hovertext[0]
    (line,) = figure.layout.shapes
    assert (line.y0, line.y1) == (3.0, 3.0)
    assert "MFLOPs" in figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text == "Latency (ms)"


def test_without_a_budget_there_is_no_line(view: StudyView) -> None:
    free = replace(timed(view), summary=replace(view.summary, latency=LatencyRule()))
    assert not latency_figure(free, LIGHT).layout.shapes


@given(st.lists(st.tuples(st.integers(1, 10**12), st.floats(1e-3, 1e3)), min_size=3, max_size=9), st.randoms())
def test_rank_correlation_hangs_on_the_order_alone(values: list[tuple[int, float]], random: Any) -> None:
    points = [replace(TEMPLATE, flops=flops, latency_ms=latency) for flops, latency in values]
    found = rank_correlation(points)
    if len({flops for flops, _ in values}) < 2 or len({latency for _, latency in values}) < 2:
        assert found is None
        return
    assert found is not None
    assert -1.0 - 1e-9 <= found <= 1.0 + 1e-9
    shuffled = random.sample(points, len(points))
    assert rank_correlation(shuffled) == pytest.approx(found)
    stretched = [replace(point, flops=3 * (point.flops or 0) + 1) for point in points]
    assert rank_correlation(stretched) == pytest.approx(found)


TEMPLATE = TrialPoint(
    number=0, state=TrialState.COMPLETE, cause="", delta_mtl=0.0, flops=1, num_parameters=1, metrics={}, params={},
    on_front=False, is_feasible=True, epoch=1, num_epochs=1, started_at=None, finished_at=None, seconds=1.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("latencies", "coefficient"), [((1.0, 2.0, 4.0), 1.0), ((4.0, 2.0, 1.0), -1.0), ((1.0, 4.0, 2.0), 0.5)]
)
def test_the_sentence_says_the_rank_correlation(
    view: StudyView, latencies: tuple[float, ...], coefficient: float
) -> None:
    points = tuple(
        replace(TEMPLATE, number=number, flops=100 * (number + 1), latency_ms=latency)
        for number, latency in enumerate(latencies)
    )
    sentence = latency_sentence(replace(timed(view), points=points, derived=()))
    assert f"over 3 networks: {coefficient:.2f} (Spearman" in sentence
    assert "onnx, fp32, 2 threads, batch 1" in sentence


def test_too_few_networks_have_no_rank_correlation(view: StudyView) -> None:
    few = replace(timed(view), points=timed(view).points[:2], derived=())
    assert "Three networks of different cost are needed" in latency_sentence(few)


def test_the_study_page_shows_latency_only_if_it_is_measured(reader: Any, view: StudyView) -> None:
    plain = study_update(reader, "digits", ClientState(), "light")
    assert plain[-4] == {"display": "none"}
    assert "atency" not in text_of(plain[2:7])
    reader.override = timed
    outputs = study_update(reader, "digits", ClientState(), "light")
    assert outputs[-4] == {}
    assert "at most 3 ms" in text_of(outputs[3])
    assert "1.21 ms" in text_of(outputs[8])  # of trial 7, on the front
    assert len(outputs[-2].data) >= 2


def test_the_table_has_the_column_only_if_it_is_measured(view: StudyView) -> None:
    assert "latency" not in columns_of(view)
    measured = timed(view)
    assert "latency" in columns_of(measured)
    rows = {row["id"]: row for row in trial_rows(measured)}
    assert (rows[SLOW]["latency"], rows[SLOW]["front"]) == (7.125, "✕ too slow")
    assert rows["3"]["latency"] is None  # it failed
    both = replace(measured.points[4], exceeds=("flops", "latency"))
    assert trial_rows(replace(measured, points=(both,)))[0]["front"] == "✕ over budget, too slow"


def test_the_trial_page_shows_the_time_of_each_of_its_networks(reader: Any) -> None:
    assert "Latency" not in text_of(trial_update(reader, TrialKey("digits", 7), ClientState(), "light", None)[3:5])
    reader.override = timed
    outputs = trial_update(reader, TrialKey("digits", 7), ClientState(), "light", None)
    words = text_of(outputs[3])
    assert "1.21 ms" in words
    assert "onnx, fp32, 2 threads, batch 1 · at most 3 ms" in words
    for latency in ("1.21 ms", "1.11 ms", "1.15 ms"):
        assert latency in text_of(outputs[4])


def test_the_front_s_hover_and_the_report_say_the_time(reader: Any, view: StudyView) -> None:
    measured = timed(view)
    assert "7.12 ms" in hover_text(measured.points[4], measured)
    page = report_html(measured, [], "")
    assert "Latency against FLOPs" in page
    assert "<td>7.12 ms</td>" in page
    assert "Latency against FLOPs" not in report_html(view, [], "")


@pytest.mark.parametrize(
    ("exceeds", "words"),
    [
        (("latency",), "none of them within the latency budget of 3 ms"),
        (("flops",), "none of them within the FLOP budget of 45%"),
        (("flops", "latency"), "none of them within the FLOP budget of 45% and the latency budget of 3 ms"),
    ],
)
def test_an_empty_front_names_the_budget_in_the_way(view: StudyView, exceeds: Any, words: str) -> None:
    over = replace(timed(view).points[0], is_feasible=False, on_front=False, exceeds=exceeds)
    sentence = front_sentence(replace(timed(view), points=(over,), derived=()))
    assert sentence is not None
    assert words in sentence
