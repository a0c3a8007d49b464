"""Choosing from a front: under a budget, with floors, along another axis, two points compared, many points selected."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from dash import no_update
from hypothesis import given
from hypothesis import strategies as st

from gatefront.dashboards.figures.front import (
    BELOW_FLOOR,
    BEST,
    STOPPED,
    YOUR_BUDGET,
    YOUR_BUDGET_LINE,
    Layers,
    front_figure,
    thinned_sentence,
)
from gatefront.dashboards.figures.gate_map import gate_map_figure
from gatefront.dashboards.figures.hypervolume import hours_spent, hypervolume_figure
from gatefront.dashboards.figures.points import importance_figure, parallel_figure
from gatefront.dashboards.figures.sharing import affinity_figure, difference_figure, flops_figure, flow_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.study.front import Asked, front_update, read_floors
from gatefront.dashboards.pages.study.points import Importances, parameters_update, rows_answer, selection_sentence
from gatefront.dashboards.pages.study.two_points import chosen_pair, pair_update
from gatefront.dashboards.pages.trial.sharing import sharing_update
from gatefront.dashboards.presentation.cost_axis import cost_axis
from gatefront.dashboards.presentation.selection import (
    Choice,
    chosen_best,
    complete_points,
    front_of,
    kept_by_floors,
    knee,
    task_deltas,
    thinned,
)
from gatefront.dashboards.presentation.selection_text import best_sentence, difference_sentences, sharing_sentence
from gatefront.dashboards.widgets.figure_cache import FigureCache, ShownPoints
from gatefront.dashboards.widgets.ids import task_key
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import ClientState
from gatefront.search.errors import StoreError
from gatefront.search.results.param_importance import parameter_importances
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import TrialState

LIGHT = scheme_named("light")


def trace(figure: Any, name: str) -> Any:
    return next(found for found in figure.data if found.name == name)


def test_less_budget_chooses_another_point(view: StudyView) -> None:
    axis = cost_axis(view, "flops")
    points = complete_points(view, axis)
    best = chosen_best(view, points, axis, Choice(budget=1_170_000.0))
    assert best is not None
    assert best.label == "5"
    assert chosen_best(view, points, axis, Choice()) == view.best
    assert chosen_best(view, points, axis, Choice(budget=1.0)) is None
    assert "no finished point" in best_sentence(None, axis, Choice(budget=1.0))


def test_floors_take_points_away_and_choose_again(view: StudyView) -> None:
    axis = cost_axis(view, "flops")
    points = complete_points(view, axis)
    losses = {point.label: -min(task_deltas(view, point).values()) for point in points}
    kept = kept_by_floors(points, view, {"left": 5.0})
    assert {point.label for point in kept} == {label for label, loss in losses.items() if loss <= 5.0}
    figure = front_figure(view, LIGHT, choice=Choice(floors={"left": 5.0}))
    assert set(trace(figure, BELOW_FLOOR).customdata) == {point.label for point in points} - {p.label for p in kept}
    assert trace(figure, BEST).customdata[0] in {point.label for point in kept}
    assert read_floors([{"task": task_key("a.b")}, {"task": task_key("right")}], [5, ""]) == {"a.b": 5.0}


@pytest.mark.parametrize("name", ["flops", "parameters"])
def test_nothing_dominates_a_front_along_any_axis(view: StudyView, name: Any) -> None:
    axis = cost_axis(view, name)
    points = complete_points(view, axis)
    front = front_of(points, axis, is_plain=False)
    for point in front:
        cost, worth = axis.cost(point) or 0, point.delta_mtl or 0
        assert not any((axis.cost(p) or 0) <= cost and (p.delta_mtl or 0) > worth for p in points)
    assert knee(front, axis) in front
    assert axis.title.startswith("FLOPs" if name == "flops" else "Parameters")


@given(st.integers(0, 60), st.integers(1, 40))
def test_a_sample_is_no_larger_than_asked_and_stays_while_points_come(number: int, most: int) -> None:
    few = [fake(n) for n in range(number)]
    many = [*few, fake(number)]
    assert len(thinned(few, most)) == min(number, most)
    # One more point takes the place of one at most.
    assert len({p.number for p in thinned(few, most)} - {p.number for p in thinned(many, most)}) <= 1


def fake(number: int) -> Any:
    return type("Fake", (), {"number": number, "derived": 0})()


def test_only_the_budget_of_one_s_own_can_be_dragged(reader: Any) -> None:
    view = reader.view("digits")
    figure, low, high, step, value, best, _ = front_update(reader, "digits", "light", Asked())
    (handle,) = [shape for shape in figure.layout.shapes if shape.editable]
    assert handle.name == YOUR_BUDGET
    assert handle.y1 < 0.5  # what lies under it cannot be clicked
    (line,) = [shape for shape in figure.layout.shapes if shape.name == YOUR_BUDGET_LINE]
    assert (line.x0, line.y0, line.y1) == (handle.x0, 0, 1)
    assert low < value <= high
    assert step > 0
    assert value == pytest.approx(view.summary.flop_budget / 1e6)
    assert "gatefront pull digits --trial 7" in str(best)
    lower = front_update(reader, "digits", "light", Asked(budget=1.17))
    assert "gatefront pull digits --trial 5" in str(lower[5])
    assert list(trace(lower[0], BEST).customdata) == ["5"]
    # As near to the study's own budget as a person can drag a line.
    assert "--trial 7" in str(front_update(reader, "digits", "light", Asked(budget=value - step / 3))[5])


def test_stopped_trials_stand_where_they_stopped(view: StudyView) -> None:
    points = tuple(
        replace(point, stopped_at=(-20.0, 1_300_000)) if point.state is TrialState.STOPPED_EARLY else point
        for point in view.points
    )
    stopped = trace(front_figure(replace(view, points=points), LIGHT, layers=Layers(has_stopped=True)), STOPPED)
    assert (list(stopped.customdata), list(stopped.y)) == (["8"], [-20.0])


@pytest.mark.parametrize(("num_finished", "words"), [(0, "is empty so far"), (1, "has one point so far")])
def test_what_cannot_be_compared_is_said_and_not_drawn(reader: Any, num_finished: int, words: str) -> None:
    reader.num_finished = num_finished
    *_, said, bars, bars_style, difference, difference_style = pair_update(reader, "digits", "light", None, None)
    assert words in str(said)
    assert bars is difference is no_update
    assert bars_style == difference_style == {"display": "none"}


@pytest.mark.parametrize(
    ("num_finished", "words", "has_lines"),
    [(0, "No trial is complete so far", False), (1, "One trial is complete so far", False), (2, "", True)],
)
def test_parameters_of_too_few_trials_are_said_and_not_drawn(
    reader: Any, num_finished: int, words: str, has_lines: bool
) -> None:
    reader.num_finished = num_finished
    *_, importance, lines, lines_style, bars_style = parameters_update(reader, Importances(), "digits", "light")
    assert "known after eight complete trials" in str(importance)
    assert words in str(lines)
    assert (lines is None, lines_style == {}) == (has_lines, has_lines)
    assert bars_style == {"display": "none"}


def test_two_points_in_words_and_bars(reader: Any) -> None:
    options, one, _, other, words, bars, shown, difference, style = pair_update(reader, "digits", "light", None, None)
    labels = [option["value"] for option in options]
    assert one == "7"
    assert other == labels[labels.index("7") - 1]
    assert [trace.name for trace in bars.data] == [other, one]
    assert shown == style == {}
    assert "kFLOPs more" in str(words)
    assert min(map(min, difference.data[0].z)) < 0
    assert chosen_pair(reader.view("digits"), [], None, None) == (None, None)


def test_the_difference_names_what_is_bought(view: StudyView, trial_of: Any) -> None:
    points = {point.label: point for point in view.points}
    one, other = trial_of(points["5"]).networks[0], trial_of(points["7"]).networks[0]
    said = " ".join(difference_sentences(view, one, other))
    assert "7 takes 44.00 kFLOPs more" in said
    assert "it buys" in said
    assert "Their gates are the same." in " ".join(difference_sentences(view, one, one))
    assert "share the most" in sharing_sentence(one.gate_map)


def test_figures_of_sharing_hold_the_map_s_values(view: StudyView, trial_of: Any) -> None:
    gate_map = trial_of(view.points[7]).gate_map
    assert len(affinity_figure(gate_map, LIGHT).data[0].z) == 3
    assert [bar.name for bar in flops_figure(gate_map, LIGHT).data] == ["shared branch", "left", "right", "orientation"]
    links = flow_figure(gate_map, LIGHT).data[0].link
    assert len(links.source) == len(links.target) == len(links.value)
    assert not any(any(row) for row in difference_figure(gate_map, gate_map, ("a", "b"), LIGHT).data[0].z)
    edges = gate_map_figure(gate_map, LIGHT, keep="x", by_flops=True).data[0].x
    costs = [site.flops_per_channel * site.num_channels for site in gate_map.sites]
    shares = [(right - left) / (edges[-1] - edges[0]) for left, right in pairwise(edges)]
    assert shares == pytest.approx([cost / sum(costs) for cost in costs])


def test_sharing_of_a_trial_page(reader: Any) -> None:
    style, words, *figures = sharing_update(reader, TrialKey("digits", 7), ClientState("12", "light"))
    assert style == {}
    assert "share the most" in str(words)
    assert len(figures) == 3
    assert sharing_update(reader, TrialKey("digits", 3), ClientState("12", "light"))[0] == {"display": "none"}


def test_parameters_that_decide_have_the_larger_share(view: StudyView) -> None:
    shares = parameter_importances(view)
    assert set(shares) == {"delta_mtl", "flops"}
    assert sum(shares["delta_mtl"].values()) == pytest.approx(1)
    bars = importance_figure(shares, LIGHT).data
    assert [bar.name for bar in bars] == ["for Δ_MTL", "for FLOPs"]
    few = replace(view, points=view.points[:3])
    assert parameter_importances(few) == {}
    assert len(importance_figure({}, LIGHT).data) == 0


def test_selected_lines_stand_out(view: StudyView) -> None:
    lines = parallel_figure(view, LIGHT, selected=frozenset({"5"})).data[0]
    colors = dict(zip(lines.customdata, lines.line.color, strict=True))
    assert colors["5"] == 1
    assert {color for label, color in colors.items() if label != "5"} == {0}


def test_the_table_has_the_rows_asked_for(reader: Any) -> None:
    request = {"startRow": 0, "endRow": 3, "sortModel": [{"colId": "delta_mtl", "sort": "desc"}]}
    answer = rows_answer(reader, "digits", request, None)
    assert ([row["id"] for row in answer["rowData"]], answer["rowCount"]) == (["7", "10", "5"], 12)
    last = rows_answer(reader, "digits", request | {"startRow": 10, "endRow": 100}, None)["rowData"]
    assert {row["id"] for row in last} == {"3", "8"}  # without a value they are the last, whichever way
    selected = {"labels": ["7.2", "5"], "source": "plot"}
    assert rows_answer(reader, "digits", request, selected)["rowCount"] == 2
    assert rows_answer(reader, "digits", request, selected | {"source": "table"})["rowCount"] == 12
    assert selection_sentence(selected) == "2 points selected in the plot."


def test_hours_count_every_trial_that_ended(view: StudyView) -> None:
    spent = hours_spent(view)
    assert max(spent.values()) == pytest.approx(
        sum(point.seconds or 0 for point in (*view.points, *view.derived)) / 3600
    )
    across = list(hypervolume_figure(view, LIGHT, "cost").data[0].x)
    assert across == sorted(across)


def test_a_drawing_is_made_once_and_not_kept_while_the_database_is_away() -> None:
    drawn: FigureCache[int] = FigureCache()
    assert [drawn.get_or_draw("a", lambda: 1, 0), drawn.get_or_draw("a", lambda: 2, 0)] == [1, 1]

    def away() -> int:
        raise StoreError("away")

    assert [drawn.get_or_draw("b", away, 0), drawn.get_or_draw("b", lambda: 3, 0)] == [0, 3]


def test_points_are_others_when_a_trial_ends_and_not_when_an_epoch_does(make_reader: Any) -> None:
    view = make_reader(5).view("digits")
    same = replace(view, revision="later", points=(*view.points[:-1], replace(view.points[-1], epoch=4)))
    assert ShownPoints.of(view, "light") == ShownPoints.of(same, "light")
    assert ShownPoints.of(view, "light") != ShownPoints.of(make_reader(6).view("digits"), "light")
    assert ShownPoints.of(view, "light") != ShownPoints.of(view, "dark")


def test_of_many_points_one_off_the_front_is_drawn_with_the_next_hundredth(view: StudyView) -> None:
    def tokens(least: int, most: int) -> list[str]:
        counts = [{**view.summary.state_counts, TrialState.COMPLETE: number} for number in range(least, most)]
        views = [replace(view, summary=replace(view.summary, state_counts=found)) for found in counts]
        return [ShownPoints.of(found, "light").token for found in views]

    assert len(set(tokens(900, 1000))) == 100
    large = tokens(10_000, 10_500)
    assert 4 <= len(set(large)) <= 6
    assert large == sorted(large, key=large.index)  # none comes back
    # On the front it is drawn at once.
    dominated = next(point for point in view.points if point.state is TrialState.COMPLETE and not point.on_front)
    points = tuple(replace(point, on_front=True) if point is dominated else point for point in view.points)
    assert ShownPoints.of(replace(view, points=points), "light") != ShownPoints.of(view, "light")


def test_a_plot_that_leaves_points_out_says_how_many(view: StudyView, monkeypatch: pytest.MonkeyPatch) -> None:
    points = complete_points(view, cost_axis(view, "flops"))
    assert thinned_sentence(front_figure(view, LIGHT), points) is None
    monkeypatch.setattr("gatefront.dashboards.figures.front.MOST_DOMINATED", 1)
    number_on_front = sum(point.on_front for point in points)
    said = thinned_sentence(front_figure(view, LIGHT), points)
    assert said is not None
    assert said.startswith(f"Of {len(points)} points {number_on_front + 2} are drawn")
