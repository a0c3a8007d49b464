"""The page of a comparison: a sortable table, one plot, and published points where the data have some."""

import json
from dataclasses import replace
from typing import Any

import pytest
from dash import no_update
from plotly.utils import PlotlyJSONEncoder

from gatefront.dashboards.figures.comparison import comparison_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.comparison import comparison_update
from gatefront.dashboards.pages.studies import studies_update
from gatefront.dashboards.server.router import page_at
from gatefront.dashboards.widgets.comparison_table import comparison_columns, comparison_rows
from gatefront.dashboards.widgets.ids import task_key
from gatefront.dashboards.widgets.links import comparison_path, parse_comparison
from gatefront.dashboards.widgets.polling import ClientState
from gatefront.search.comparison import ComparisonTable, Line, Spread, Subject, comparison_table
from gatefront.search.comparison.published import published_points
from gatefront.search.results.comparison_table import SystemRun, mean_ranks
from gatefront.search.results.records import TaskRecord

SCHEME = scheme_named("light")
LEFT = f"metric_{task_key('left')}"
ACC = TaskRecord(name="left", kind="classification", metric="accuracy %", higher_is_better=True)


def run(system: str, seed: int, left: float, flops: int) -> SystemRun:
    return SystemRun(
        system=system, seed=seed, metrics={"left": left}, delta_per_task={"left": left - 90}, delta_mtl=left - 90,
        flops=flops, num_parameters=1000, train_flops=2e12, seconds=60.0,
    )  # fmt: skip


@pytest.fixture
def table() -> ComparisonTable:
    runs = [run("single-task", 0, 90.0, 2_000_000), run("single-task", 1, 90.0, 2_000_000),
            run("hard sharing, uniform", 0, 84.0, 800_000), run("hard sharing, uniform", 1, 86.0, 800_000),
            run("InterroGate, task weights", 0, 89.0, 900_000)]  # fmt: skip
    return comparison_table(Subject(name="digits", data="digits", tasks=(ACC,)), runs)


def test_rows_are_plain_numbers_and_say_their_spread(table: ComparisonTable) -> None:
    rows = comparison_rows(table)
    json.dumps(rows)
    assert [row["system"] for row in rows] == ["single-task", "hard sharing, uniform", "InterroGate, task weights"]
    assert (rows[1]["delta_mtl"], rows[1]["delta_mtl_deviation"]) == (-5.0, pytest.approx(2**0.5))
    assert (rows[2][LEFT], rows[2][f"{LEFT}_deviation"], rows[2]["seeds"]) == (89.0, None, 1)
    assert (rows[1]["flops"], rows[1]["share"], rows[1]["mean_rank"]) == (0.8, 40.0, 3.0)
    fields = {column["field"] for column in comparison_columns(table)}
    assert fields <= rows[0].keys()
    assert {"system", LEFT, "delta_mtl", "mean_rank", "flops", "parameters", "training"} <= fields


def test_every_system_has_a_marker_where_it_stands(table: ComparisonTable) -> None:
    figure = comparison_figure(table, [], [], SCHEME)
    placed = {trace.name: (trace.x[0], trace.y[0], trace.marker.symbol) for trace in figure.data}
    assert placed == {
        "single-task": (2.0, 0.0, "star"), "hard sharing, uniform": (0.8, -5.0, "diamond"),
        "InterroGate, task weights": (0.9, -1.0, "circle"),
    }  # fmt: skip
    (shared,) = [trace for trace in figure.data if trace.name == "hard sharing, uniform"]
    assert list(shared.error_y.array) == [pytest.approx(2**0.5)]


def test_published_points_are_drawn_under_ones_own_and_doubtful_ones_crossed_out(table: ComparisonTable) -> None:
    figure = comparison_figure(replace(table, data="nyud"), [], published_points("nyud"), SCHEME)
    (points,) = [trace for trace in figure.data if trace.name == "published"]
    assert len(points.x) == 14
    doubtful = [i for i, symbol in enumerate(points.marker.symbol) if symbol == "x-thin"]
    assert [(points.x[i], points.y[i]) for i in doubtful] == [(0.683, -0.84)]
    (front,) = [trace for trace in figure.data if trace.name == "published front"]
    assert list(zip(front.x, front.y, strict=True)) == [(0.683, -2.49), (0.794, -0.5), (0.892, 1.16), (0.916, 2.04)]


@pytest.mark.parametrize(("data", "number", "doubted"), [("nyud", 14, 1), ("pascal-context", 16, 1), ("digits", 0, 0)])
def test_published_tables_are_shipped(data: str, number: int, doubted: int) -> None:
    points = published_points(data)
    assert (len(points), sum(bool(point.doubt) for point in points)) == (number, doubted)


PUBLISHED_TASKS = {
    "nyud": (("semseg", True), ("depth", False), ("normals", False)),
    "pascal-context": (
        ("semseg", True),
        ("normals", False),
        ("saliency", True),
        ("human_parts", True),
        ("edges", False),
    ),
}


@pytest.mark.parametrize("data", PUBLISHED_TASKS)
def test_our_mean_rank_is_the_published_one_up_to_rounding(data: str) -> None:
    """Printed metrics are rounded, so that near ties became ties: ranks agree within 0.5."""
    points = published_points(data)
    tasks = [TaskRecord(name=n, kind="", metric="", higher_is_better=up) for n, up in PUBLISHED_TASKS[data]]
    ranks = mean_ranks(tasks, {f"{index}": point.metrics for index, point in enumerate(points)})
    for index, point in enumerate(points):
        assert ranks[f"{index}"] == pytest.approx(point.mean_rank, abs=0.55), point.system


@pytest.mark.parametrize("data", PUBLISHED_TASKS)
def test_published_deltas_follow_from_published_metrics(data: str) -> None:
    """Within what rounding allows; the rows that are off by more are marked as doubtful, or known to be coarse."""
    single, *others = published_points(data)
    for point in others:
        terms = [
            (1 if up else -1) * 100 * (point.metrics[name] - single.metrics[name]) / single.metrics[name]
            for name, up in PUBLISHED_TASKS[data]
        ]
        off = abs(sum(terms) / len(terms) - point.delta_mtl)
        assert off < 0.3 or "Δ_MTL" in point.doubt, (point.system, off)


def test_the_page_shows_what_there_is_and_nothing_twice(reader: Any, table: ComparisonTable) -> None:
    reader.comparisons["digits"] = table
    first = comparison_update(reader, "digits", ClientState(), "light")
    assert first[0] is None
    assert len(first[4]) == 3
    names = {trace["name"] for trace in json.loads(json.dumps(first[6], cls=PlotlyJSONEncoder))["data"]}
    assert "the study's front" in names
    again = comparison_update(reader, "digits", ClientState.from_json(first[-1]), "light")
    assert set(map(id, again)) == {id(no_update)}
    assert "no comparison" in str(comparison_update(reader, "other", ClientState(), "light")[0])


def test_a_comparison_without_a_study_has_no_front_of_its_own(reader: Any, table: ComparisonTable) -> None:
    reader.comparisons["alone"] = replace(table, name="alone")
    figure = comparison_update(reader, "alone", ClientState(), "dark")[6]
    assert len(figure.data) == 3


def test_it_has_an_address_and_stands_in_the_list(reader: Any, table: ComparisonTable) -> None:
    assert parse_comparison(comparison_path("a b/c")) == "a b/c"
    assert page_at(reader, "/comparison/digits")[1] == "digits, systems compared · gatefront"
    before = str(studies_update(reader, ClientState())[1])
    reader.comparisons["digits"] = table
    assert "/comparison/digits" not in before
    assert "/comparison/digits" in str(studies_update(reader, ClientState())[1])


def test_a_single_line_needs_no_spread() -> None:
    line = Line(
        system="single-task", num_seeds=1, metrics={}, delta_per_task={}, delta_mtl=Spread(0.0, None), mean_rank=1.0,
        flops=10, num_parameters=1, train_flops=1.0, seconds=1.0,
    )  # fmt: skip
    table = ComparisonTable(name="x", data="digits", tasks=(), lines=(line,))
    assert comparison_figure(table, [], [], SCHEME).data[0].error_y.array is None
