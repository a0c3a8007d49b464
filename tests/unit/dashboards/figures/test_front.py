"""Figures show the record's values: traces and axes are read back, not pixels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from gatefront.dashboards.figures.channel_pattern import channel_pattern_figure, pattern_sentence
from gatefront.dashboards.figures.curves import delta_curve_figure, flops_curve_figure, loss_figure, metric_figure
from gatefront.dashboards.figures.front import (
    BEST,
    DERIVED,
    DOMINATED,
    FRONT,
    HARD_SHARING,
    KNEE,
    OVER_BUDGET,
    SINGLE_TASK,
    front_figure,
    hover_text,
)
from gatefront.dashboards.figures.gate_map import gate_map_figure
from gatefront.dashboards.figures.hypervolume import Over, hypervolume_figure
from gatefront.dashboards.figures.task_deltas import task_deltas_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.search.results.records import EpochPoint, StudyView, TaskRecord
from gatefront.search.results.states import TrialState
from gatefront.spaces.gating.gate_map import GateMap, GateSite

LIGHT = scheme_named("light")
MAP = GateMap(
    tasks=("left", "right"),
    sites=(
        GateSite(name="stem", own=("0000", "1000"), flops_per_channel=1.0),
        GateSite(name="deep", own=("1111", "0110"), flops_per_channel=1.0),
    ),
)
DEPTH = TaskRecord(name="depth", kind="depth", metric="RMSE m", higher_is_better=False)
SEGMENTATION = TaskRecord(name="segmentation", kind="segmentation", metric="mIoU %", higher_is_better=True)


def trace(figure: go.Figure, name: str) -> Any:
    return next(found for found in figure.data if found.name == name)


def names(figure: go.Figure) -> set[str]:
    return {found.name for found in figure.data}


def texts(figure: go.Figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def test_front_has_the_points_where_the_record_says(view: StudyView) -> None:
    figure = front_figure(view, LIGHT)
    front = {point.label: point for point in view.points if point.on_front}
    shown = trace(figure, FRONT)
    assert set(shown.customdata) == set(front)
    for x, y, label in zip(shown.x, shown.y, shown.customdata, strict=True):
        assert x == pytest.approx((front[label].flops or 0) / 1e6)
        assert y == front[label].delta_mtl
    assert list(shown.x) == sorted(shown.x)
    assert set(trace(figure, DOMINATED).customdata) == {"1", "2", "4", "11"}
    assert list(trace(figure, BEST).customdata) == [view.summary.best_label] == ["7"]


def test_derived_points_are_told_from_the_trials_own(view: StudyView) -> None:
    figure = front_figure(view, LIGHT)
    dominated, on_front = [found for found in figure.data if found.name == DERIVED]
    assert (list(dominated.customdata), list(on_front.customdata)) == (["7.1"], ["7.2"])
    assert (on_front.x[0], on_front.y[0]) == (pytest.approx(1.148), -5.9)
    assert on_front.marker.color == trace(figure, FRONT).marker.color
    assert on_front.marker.symbol.endswith("-open")
    assert on_front.marker.size < trace(figure, FRONT).marker.size
    assert dominated.marker.color == trace(figure, DOMINATED).marker.color
    assert dominated.marker.size < trace(figure, DOMINATED).marker.size
    # Once in the legend, which shows and hides both.
    assert [found.showlegend is not False for found in (dominated, on_front)] == [False, True]
    assert dominated.legendgroup == on_front.legendgroup
    steps = trace(figure, "Pareto front")
    assert 1.148 in [pytest.approx(x) for x in steps.x]
    assert "7.2" in texts(figure)


def test_best_point_may_be_a_derived_one(view: StudyView) -> None:
    best = replace(view, summary=replace(view.summary, best_label="7.2"))
    assert list(trace(front_figure(best, LIGHT), BEST).customdata) == ["7.2"]


def test_a_study_without_derived_points_does_not_name_them(view: StudyView) -> None:
    assert DERIVED not in names(front_figure(replace(view, derived=()), LIGHT))


def test_hover_of_a_derived_point_says_what_was_asked_and_what_was_delivered(view: StudyView) -> None:
    text = hover_text(view.derived[1], view)
    assert "Trial 7, derived point 2" in text
    assert "asked 1.150 MFLOPs, delivered 1.148 MFLOPs (42.5 % of single-task)" in text
    assert "left: accuracy" in text
    assert "accuracy" not in hover_text(view.derived[0], view)
    own = hover_text(view.points[7], view)
    assert "asked 1.215 MFLOPs, delivered 1.212 MFLOPs" in own
    free = replace(view, summary=replace(view.summary, flop_budget=None))
    assert "asked" not in hover_text(view.points[7], free)


def test_every_kind_of_point_has_its_own_marker(view: StudyView) -> None:
    over = replace(view.points[1], is_feasible=False)
    figure = front_figure(replace(view, points=(view.points[0], over, *view.points[2:])), LIGHT)
    kinds = [FRONT, DOMINATED, OVER_BUDGET, BEST, SINGLE_TASK, HARD_SHARING]
    shown = [*(trace(figure, kind) for kind in kinds), *(found for found in figure.data if found.name == DERIVED)]
    assert len({(found.marker.symbol, found.marker.size) for found in shown}) == len(shown) == len(kinds) + 2
    assert list(trace(figure, OVER_BUDGET).customdata) == ["1"]


def test_front_names_its_units_and_the_budget(view: StudyView) -> None:
    figure = front_figure(view, LIGHT)
    assert "MFLOPs" in figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text == "Δ<sub>MTL</sub> (%)"
    assert "budget 1.215 MFLOPs" in texts(figure)
    line = next(shape for shape in figure.layout.shapes if shape.type == "line" and shape.x0 == shape.x1)
    assert line.x0 == pytest.approx(1.215)


def test_single_task_cost_outside_the_window_is_said_in_words(view: StudyView) -> None:
    figure = front_figure(view, LIGHT)
    assert figure.layout.xaxis.range[1] < 2.7
    assert any("single-task level (at 2.700 MFLOPs" in text for text in texts(figure))
    wide = replace(view, summary=replace(view.summary, flop_budget=2_400_000))
    figure = front_figure(wide, LIGHT)
    assert figure.layout.xaxis.range[1] > 2.7
    assert not any("single-task level" in text for text in texts(figure))


def test_front_without_budget_has_no_budget_line(view: StudyView) -> None:
    figure = front_figure(replace(view, summary=replace(view.summary, flop_budget=None)), LIGHT)
    assert not any("budget" in text for text in texts(figure))


def test_front_without_trials_still_shows_the_references(view: StudyView) -> None:
    figure = front_figure(replace(view, points=(), derived=(), hypervolume=()), LIGHT)
    assert names(figure) == {SINGLE_TASK, HARD_SHARING}


def test_unfinished_failed_and_stopped_trials_are_not_on_the_plot(view: StudyView) -> None:
    shown = {number for found in front_figure(view, LIGHT).data for number in (found.customdata or ())}
    ended_otherwise = {point.number for point in view.points if point.state is not TrialState.COMPLETE}
    assert ended_otherwise == {3, 8}
    assert not shown & {str(number) for number in ended_otherwise}


def test_zoom_survives_an_update_but_not_another_study(view: StudyView) -> None:
    grown = replace(view, points=view.points[:5], revision="other")
    other = replace(view, summary=replace(view.summary, name="rooms"))
    kept = front_figure(view, LIGHT).layout.uirevision
    assert front_figure(grown, LIGHT).layout.uirevision == kept
    assert front_figure(other, LIGHT).layout.uirevision != kept


def test_hover_names_both_objectives_and_every_task(view: StudyView) -> None:
    text = hover_text(view.points[7], view)
    assert "Trial 7" in text
    assert "\u22123.10 %" in text
    assert "44.9 % of single-task" in text
    for task in view.summary.tasks:
        assert f"{task.name}: accuracy" in text
    assert "alone 93.40 %" in text


def test_hint_ends_the_hover_of_trials_only(view: StudyView) -> None:
    figure = front_figure(view, LIGHT, hint="click me")
    hinted = {found.name for found in figure.data if "click me" in (found.hovertemplate or "")}
    assert hinted == {FRONT, DOMINATED, BEST, DERIVED, KNEE}
    assert "click me" in gate_map_figure(MAP, LIGHT, keep="a", hint="click me").data[0].hovertemplate


def test_hypervolume_counts_finished_trials(view: StudyView) -> None:
    shown = hypervolume_figure(view, LIGHT).data[0]
    assert list(shown.x) == [point.num_complete for point in view.hypervolume]
    assert list(shown.y) == [point.hypervolume for point in view.hypervolume]


@pytest.mark.parametrize("over", ["trials", "cost"])
def test_a_hypervolume_without_a_point_has_no_numbers(view: StudyView, over: Over) -> None:
    for history in (view.hypervolume, ()):
        layout = hypervolume_figure(replace(view, hypervolume=history), LIGHT, over).layout
        assert (layout.xaxis.showticklabels, layout.yaxis.showticklabels) == (bool(history),) * 2


def test_gate_map_shows_percent_of_own_channels_in_depth_order() -> None:
    figure = gate_map_figure(MAP, LIGHT, keep="a", chosen="deep")
    heat = figure.data[0]
    assert [list(row) for row in heat.z] == [[0, 100], [25, 50]]
    assert list(heat.y) == ["left", "right"]
    assert list(figure.layout.xaxis.ticktext) == ["stem", "deep"]
    assert heat.customdata[0][1] == "deep"
    assert (heat.zmin, heat.zmax) == (0, 100)
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(0.5, 1.5)]


def test_gate_map_of_many_sites_names_some_of_them() -> None:
    many = GateMap(tasks=("a",), sites=tuple(replace(MAP.sites[0], name=f"s{i}", own=("01",)) for i in range(100)))
    ticks = gate_map_figure(many, LIGHT, keep="a").layout.xaxis.ticktext
    assert 10 <= len(ticks) <= 30
    assert len(gate_map_figure(many, LIGHT, keep="a").data[0].z[0]) == 100


def test_channel_pattern_has_one_cell_per_channel() -> None:
    heat = channel_pattern_figure(MAP.tasks, MAP.sites[1], LIGHT).data[0]
    assert [list(row) for row in heat.z] == [[1, 1, 1, 1], [0, 1, 1, 0]]
    assert pattern_sentence(MAP.tasks, MAP.sites[0]) == "Own channels of 4: left 0, right 1. Shared by every task: 3."


def epochs(tasks: Sequence[TaskRecord]) -> tuple[EpochPoint, ...]:
    return tuple(
        EpochPoint(
            epoch=epoch,
            phase="finetune" if epoch == 3 else "train",
            losses={"depth": 1.0 / epoch, "segmentation": 2.0 / epoch, "sparsity": 0.1},
            metrics={task.name: 10.0 * epoch for task in tasks},
            delta_mtl=None if epoch == 1 else -20.0 + epoch,
            flops=3_000_000 - 500_000 * epoch,
        )
        for epoch in (1, 2, 3)
    )


def test_curves_never_mix_units_on_one_axis() -> None:
    tasks = (DEPTH, SEGMENTATION)
    figure = metric_figure(epochs(tasks), tasks, LIGHT)
    assert trace(figure, "depth").yaxis != trace(figure, "segmentation").yaxis
    assert figure.layout.yaxis.title.text == "RMSE m"
    assert figure.layout.yaxis2.title.text == "mIoU %"
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1]


def test_losses_that_belong_to_no_task_are_drawn_too() -> None:
    figure = loss_figure(epochs((DEPTH, SEGMENTATION)), (DEPTH, SEGMENTATION), LIGHT)
    assert names(figure) == {"depth", "segmentation", "sparsity"}
    assert list(trace(figure, "depth").y) == pytest.approx([1.0, 0.5, 1 / 3])
    assert "fine-tune" in texts(figure)


def test_epochs_of_derived_points_have_a_band_of_their_own() -> None:
    points = (*epochs((DEPTH,)), *(replace(point, epoch=point.epoch + 3, phase="derive") for point in epochs((DEPTH,))))
    figure = loss_figure(points, (DEPTH,), LIGHT)
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(2.5, 3.5), (3.5, 6.5)]
    assert "fine-tune, then derived points" in texts(figure)


def test_delta_and_flops_curves() -> None:
    points = epochs((DEPTH,))
    assert list(delta_curve_figure(points, LIGHT).data[0].y) == [None, -18.0, -17.0]
    flops = flops_curve_figure(points, 2_000_000, LIGHT)
    assert list(flops.data[0].y) == [2.5, 2.0, 1.5]
    assert "budget 2.000 MFLOPs" in texts(flops)
    assert not any("budget" in text for text in texts(flops_curve_figure(points, None, LIGHT)))


def test_curves_of_no_epoch_are_empty_figures() -> None:
    for figure in (metric_figure((), (), LIGHT), loss_figure((), (), LIGHT), flops_curve_figure((), None, LIGHT)):
        assert all(not found.x for found in figure.data)


def test_task_deltas_write_the_sign_and_colour_by_it() -> None:
    figure = task_deltas_figure({"depth": -2.0, "segmentation": 1.0}, (SEGMENTATION, DEPTH), LIGHT)
    bars = figure.data[0]
    assert list(bars.y) == ["segmentation", "depth"]
    assert list(bars.x) == [1.0, -2.0]
    assert list(bars.text) == ["+1.00 %", "\u22122.00 %"]
    assert list(bars.marker.color) == [LIGHT.good, LIGHT.bad]


def test_dark_scheme_changes_colours_not_values(view: StudyView) -> None:
    light, dark = front_figure(view, LIGHT), front_figure(view, scheme_named("dark"))
    assert light.layout.font.color != dark.layout.font.color
    assert [list(t.x) for t in light.data] == [list(t.x) for t in dark.data]
