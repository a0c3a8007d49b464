"""Front of a study with controls: another axis, a budget and floors of the person, and other layers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.figures.front import Layers, front_figure, thinned_sentence
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.presentation.cost_axis import AxisName, CostAxis, axis_names, cost_axis
from gatefront.dashboards.presentation.selection import Choice, chosen_best, complete_points, kept_by_floors
from gatefront.dashboards.presentation.selection_text import best_sentence
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import SELECTING, card, graph, labelled, reason, register_graphs
from gatefront.dashboards.widgets.figure_cache import FigureCache, ShownPoints
from gatefront.dashboards.widgets.ids import task_key, task_of_key
from gatefront.dashboards.widgets.links import trial_path
from gatefront.search.comparison import Line
from gatefront.search.comparison.published import published_points
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.formats import shorten_name
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.snapshots.protocol import Reader

PUBLISHED, RIVALS, STOPPED = "published", "rivals", "stopped"
_LAYERS = ((STOPPED, "stopped early"), (RIVALS, "other systems"), (PUBLISHED, "published"))
_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Settings of the controls beside the front. ``budget`` is in the units of the plot, or None before it was set."""

    axis: AxisName = "flops"
    budget: float | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    layers: tuple[str, ...] = (STOPPED, RIVALS)
    selected: frozenset[str] | None = None
    is_new_axis: bool = False


def front_card() -> Component:
    axis = dmc.SegmentedControl(
        id=ids.AXIS, data=[{"value": "flops", "label": "FLOPs"}], value="flops", size="xs",
        **labelled("what the front is drawn against"),
    )  # fmt: skip
    layers = dmc.CheckboxGroup(
        dmc.Group([dmc.Checkbox(label=words, value=value, size="xs") for value, words in _LAYERS], gap="sm"),
        id=ids.LAYERS, value=[STOPPED, RIVALS], label="Also show", size="xs",
    )  # fmt: skip
    budget = html.Div(
        [
            dmc.Text("Your budget: drag its thick foot, or this", size="xs", c="dimmed"),
            dmc.Slider(
                id=ids.BUDGET, min=0, max=1, step=0.01, value=None, updatemode="mouseup", size="sm",
                thumbLabel="your budget", mb="xs", precision=3,
            ),
        ],
        id=ids.BUDGET_BOX,
    )  # fmt: skip
    return card(
        "Pareto front",
        html.Div(id=ids.STUDY_FRONT_SENTENCE),
        dmc.Group([axis, layers], justify="space-between", gap="sm", mb="xs"),
        graph(ids.STUDY_FRONT, 520, "Δ_MTL against FLOPs of every finished trial", tools=SELECTING),
        html.Div(id=ids.THINNED),
        budget,
        dmc.Group(id=ids.FLOORS, gap="sm", align="end", mb="xs"),
        html.Div(id=ids.BEST, role="status", className="best"),
        note="Accuracy against cost. Click a point to open its trial; frame points to select them.",
        h="100%",
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    drawn: FigureCache[tuple[Any, ...]] = FigureCache()

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        output=[
            Output(ids.next_figure(ids.STUDY_FRONT), "data"),
            Output(ids.BUDGET, "min"),
            Output(ids.BUDGET, "max"),
            Output(ids.BUDGET, "step"),
            Output(ids.BUDGET, "value"),
            Output(ids.BEST, "children"),
            Output(ids.THINNED, "children"),
        ],
        inputs={
            "points": Input(ids.POINTS, "data"),
            "controls": {
                "axis": Input(ids.AXIS, "value"),
                "budget": Input(ids.BUDGET, "value"),
                "layers": Input(ids.LAYERS, "value"),
                "floors": Input({"type": ids.FLOOR, "task": ALL}, "value"),
                "tasks": State({"type": ids.FLOOR, "task": ALL}, "id"),
                "selected": Input(ids.SELECTED, "data"),
            },
            "study": State(ids.STUDY_NAME, "data"),
        },
    )
    async def draw(points: dict[str, str] | None, controls: Mapping[str, Any], study: str) -> tuple[Any, ...]:
        shown = ShownPoints.from_json(points)
        asked = read_controls(controls, is_new_axis=ctx.triggered_id == ids.AXIS)
        if shown is None:
            return (no_update,) * _NUM_OUTPUTS
        key = (shown, asked.axis, asked.budget, tuple(asked.floors.items()), asked.layers, asked.selected)
        return await asyncio.to_thread(
            drawn.get_or_draw,
            (*key, asked.is_new_axis),
            lambda: front_update(reader, study, shown.scheme, asked),
            (no_update,) * _NUM_OUTPUTS,
        )

    register_graphs(app, ids.STUDY_FRONT)


def selected_labels(selected: Mapping[str, Any] | None) -> frozenset[str] | None:
    """Return the labels of a selection as the browser keeps it, or None for no selection."""
    return None if not selected else frozenset(selected["labels"])


def read_controls(controls: Mapping[str, Any], *, is_new_axis: bool) -> Asked:
    """Return the settings of the controls, as the browser sends them."""
    return Asked(
        axis=controls["axis"],
        budget=controls["budget"],
        floors=read_floors(controls["tasks"], controls["floors"]),
        layers=tuple(controls["layers"]),
        selected=selected_labels(controls["selected"]),
        is_new_axis=is_new_axis,
    )


def read_floors(floor_ids: Sequence[Mapping[str, str]], values: Sequence[float | str | None]) -> dict[str, float]:
    """Return, by task, the most that it may lose. A field that was left empty sets no limit."""
    found = zip(floor_ids, values, strict=True)
    return {task_of_key(key["task"]): float(value) for key, value in found if value is not None and value != ""}


def controls(view: StudyView) -> tuple[list[Component], list[dict[str, str]]]:
    """Return a floor per task and the axes that the study measures."""
    floors = [
        dmc.NumberInput(
            id={"type": ids.FLOOR, "task": task_key(task.name)},
            label=f"{shorten_name(task.name)} may lose at most",
            suffix=" %", size="xs", w=190, min=0, step=0.5, value="", placeholder="any", debounce=400,
        )
        for task in view.summary.tasks
    ]  # fmt: skip
    return floors, [{"value": name, "label": words} for name, words in axis_names(view)]


_NUM_OUTPUTS = 7


def front_update(reader: Reader, study: str, scheme: str, asked: Asked) -> tuple[Any, ...]:
    """Return the figure, the slider's least, most, step and value, the best point, and how many points are left out."""
    view = reader.view(study)
    axis = cost_axis(view, asked.axis)
    all_points = complete_points(view, axis)
    low, high = budget_range(view, axis, all_points)
    budget, value = _budget(asked, axis, low, high)
    choice = Choice(axis=asked.axis, budget=budget, floors=asked.floors, layers=asked.layers, selected=asked.selected)
    figure = front_figure(
        view, scheme_named(scheme), hint="click to open the trial", choice=choice,
        layers=_layers(reader, view, asked.layers), line_at=value,
    )  # fmt: skip
    points = kept_by_floors(all_points, view, asked.floors)
    best = best_panel(reader, view, chosen_best(view, points, axis, choice), axis, choice)
    scaled = (low / axis.divisor, high / axis.divisor, (high - low) / axis.divisor / _STEPS)
    is_set = asked.budget is not None and not asked.is_new_axis
    return (
        figure,
        *scaled,
        no_update if is_set else value / axis.divisor,
        best,
        reason(thinned_sentence(figure, all_points)),
    )


def budget_range(view: StudyView, axis: CostAxis, points: Sequence[TrialPoint]) -> tuple[float, float]:
    """Return the range from the cheapest point to the study's budget, or to the dearest point.

    The dearest point is the end if the study has no budget or the point exceeds it.
    """
    costs = [axis.cost(point) or 0.0 for point in points]
    if axis.name == "flops":
        costs.append(float(view.summary.floor_flops))
    high = max([*costs, axis.budget or 0.0], default=1.0) or 1.0
    low = min(costs, default=0.0)
    return (low, high) if low < high else (0.0, high)


def _budget(asked: Asked, axis: CostAxis, low: float, high: float) -> tuple[float | None, float]:
    """Return the requested budget, or None if it is the study's own, and the place of the line.

    A budget within half a step of the study's own counts as the study's, because nobody can drag a line to the last
    FLOP.
    """
    own = high if axis.budget is None else axis.budget
    if asked.budget is None or asked.is_new_axis:
        return None, own
    wanted = min(max(asked.budget * axis.divisor, low), high)
    return (None, own) if abs(wanted - own) <= 0.5 * (high - low) / _STEPS else (wanted, wanted)


def _layers(reader: Reader, view: StudyView, shown: tuple[str, ...]) -> Layers:
    rivals: tuple[Line, ...] = ()
    if RIVALS in shown:
        try:
            rivals = reader.comparison(view.summary.name).lines
        except StudyNotFoundError:
            rivals = ()
    published = published_points(view.summary.data) if PUBLISHED in shown else ()
    return Layers(published=published, rivals=rivals, has_stopped=STOPPED in shown)


def best_panel(
    reader: Reader, view: StudyView, best: TrialPoint | None, axis: CostAxis, choice: Choice
) -> Component | None:
    """Return the best point of the choice, with the command that pulls it."""
    sentence = best_sentence(best, axis, choice)
    if best is None:
        return reason(sentence)
    study = view.summary.name
    networks = reader.trial(study, best.number).networks
    command = next(network.pull_command for network in networks if network.point.derived == best.derived)
    link = dcc.Link("Open it", href=trial_path(study, best.number, best.derived))
    return html.Div(
        [
            dmc.Text([sentence, " ", link], size="sm"),
            html.Div(
                [
                    html.Code(command, className="command"),
                    dmc.CopyButton(
                        "Copy", value=command, copiedChildren="Copied ✓", size="compact-sm", color="blue",
                        copiedColor="teal", timeout=2000, **labelled("copy the best point's pull command"),
                    ),
                ],
                className="pull",
            ),
        ]
    )  # fmt: skip
