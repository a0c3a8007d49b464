"""Figures of many points: parallel coordinates, parameter importances, and two points task by task."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from gatefront.dashboards.figures.labels import as_label, axis_labels
from gatefront.dashboards.figures.theme import Scheme, base_figure
from gatefront.dashboards.presentation.cost_axis import cost_axis
from gatefront.dashboards.presentation.selection import thinned
from gatefront.search.results.formats import format_delta
from gatefront.search.results.param_importance import parameter_space
from gatefront.search.results.records import StudyView, TaskRecord, TrialPoint
from gatefront.search.results.states import TrialState

PARALLEL_HEIGHT = 340
_MOST_LINES = 600
_MOST_AXES = 8
_HEIGHT_OF_BAR = 26
_OUTCOMES = (("delta_mtl", "for Δ_MTL"), ("flops", "for FLOPs"))


def parallel_figure(
    view: StudyView, scheme: Scheme, *, order: Sequence[str] = (), selected: frozenset[str] | None = None
) -> go.Figure:
    """Draw a line per complete trial across its parameters, its FLOPs and its Δ_MTL. Lines not selected are gray.

    ``order`` names the parameters that come first, and ``customdata`` is the label. Lines of the front are always
    there. The others are a fixed sample.
    """
    figure = base_figure(scheme, height=PARALLEL_HEIGHT, keep=f"parallel-{view.summary.name}")
    complete = [p for p in view.points if p.state is TrialState.COMPLETE and p.delta_mtl is not None]
    space = list(parameter_space(complete[:_MOST_LINES]))
    names = [*(name for name in order if name in space), *(name for name in space if name not in order)][:_MOST_AXES]
    front = [point for point in complete if point.on_front]
    others = thinned([point for point in complete if not point.on_front], _MOST_LINES)
    points = sorted((*others, *front), key=lambda point: (point.on_front, point.number))
    points = [point for point in points if all(name in point.params for name in names)]
    axis = cost_axis(view, "flops")
    ends = [
        {"label": axis.title.split(" (")[0], "values": [(point.flops or 0) / axis.divisor for point in points]},
        {"label": "Δ_MTL (%)", "values": [point.expected_delta_mtl for point in points]},
    ]
    figure.add_trace(
        go.Parcoords(
            dimensions=[*(_dimension(name, [point.params[name] for point in points]) for name in names), *ends],
            customdata=[point.label for point in points],
            line={"color": [_weight(point, selected) for point in points], "cmin": 0, "cmax": 1, "showscale": False,
                  "colorscale": [[0, scheme.grid], [0.5, scheme.muted], [1, scheme.good]]},
            labelfont={"size": 12, "color": scheme.text}, tickfont={"size": 11, "color": scheme.muted},
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
            unselected={"line": {"color": scheme.grid, "opacity": 0.4}},
        )
    )  # fmt: skip
    figure.update_layout(margin={"l": 60, "r": 50, "t": 60, "b": 24})
    return figure


def _weight(point: TrialPoint, selected: frozenset[str] | None) -> float:
    if selected is not None:
        return 1.0 if point.label in selected else 0.0
    return 1.0 if point.on_front else 0.5


def _dimension(name: str, values: Sequence[Any]) -> dict[str, Any]:
    label = as_label(name.removeprefix("gates.").removeprefix("train."))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {"label": label, "values": list(values)}
    words = sorted({str(value) for value in values})
    return {"label": label, "values": [words.index(str(value)) for value in values],
            "tickvals": list(range(len(words))), "ticktext": words}  # fmt: skip


def importance_figure(
    shares: Mapping[str, Mapping[str, float]], scheme: Scheme, chosen: str | None = None
) -> go.Figure:
    """Draw two bars per parameter, the most important one for Δ_MTL on top. ``customdata`` is its name."""
    names = sorted(shares.get("delta_mtl", {}), key=lambda name: shares["delta_mtl"][name])[-_MOST_AXES:]
    figure = base_figure(scheme, height=110 + 2 * _HEIGHT_OF_BAR * max(len(names), 1), keep="importance")
    patterns = ("", "/")
    labels = [f"<b>{as_label(name)}</b>" if name == chosen else as_label(name) for name in names]
    for index, (outcome, words) in enumerate(_OUTCOMES):
        if names:
            values = [100 * shares[outcome].get(name, 0.0) for name in names]
            figure.add_trace(
                go.Bar(
                    x=values, y=labels, orientation="h", name=words,
                    customdata=names, text=[f"{value:.0f} %" for value in values], textposition="outside",
                    cliponaxis=False, textfont={"size": 12, "color": scheme.text},
                    marker={"color": scheme.task_color(index), "pattern": {"shape": patterns[index]}},
                    hovertemplate="%{y} %{text}<extra></extra>",
                )
            )  # fmt: skip
    figure.update_xaxes(title_text="share of what decided (%)", range=[0, 112])
    figure.update_yaxes(showline=False, ticks="", tickfont={"size": 12, "color": scheme.text})
    figure.update_layout(margin={"l": 20, "r": 20, "t": 36, "b": 48}, barmode="group")
    return figure


def pair_figure(deltas: Mapping[str, Mapping[str, float]], tasks: Sequence[TaskRecord], scheme: Scheme) -> go.Figure:
    """Draw each task's change against its single-task network, with a bar per point. The second bar is hatched."""
    names = [task.name for task in tasks]
    shown = axis_labels(names)
    figure = base_figure(scheme, height=120 + 64 * len(names), keep="pair")
    found = [value for values in deltas.values() for value in values.values()] or [0.0]
    for index, (label, values) in enumerate(deltas.items()):
        figure.add_trace(
            go.Bar(
                x=[values.get(name) for name in names], y=shown, orientation="h", name=label,
                text=[format_delta(values.get(name)) for name in names], textposition="outside", cliponaxis=False,
                textfont={"size": 12, "color": scheme.text},
                marker={"color": scheme.task_color(index), "pattern": {"shape": "/" if index else ""}},
                hovertemplate=f"{label}, %{{y}}: %{{text}} against its single-task network<extra></extra>",
            )
        )  # fmt: skip
    low, high = min([0.0, *found]), max([0.0, *found])
    room = 0.35 * ((high - low) or 1.0)
    figure.add_vline(x=0, line={"color": scheme.muted, "width": 1})
    figure.update_xaxes(title_text="change against the single-task network (%)", range=[low - room, high + room])
    tickfont = {"size": 13, "color": scheme.text}
    figure.update_yaxes(type="category", autorange="reversed", ticks="", showline=False, tickfont=tickfont)
    figure.update_layout(margin={"l": 20, "r": 20, "t": 36, "b": 48}, barmode="group")
    return figure
