"""Comparison of two points of a front: the reasons for one, and the gain of the dearer one."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.figures.points import pair_figure
from gatefront.dashboards.figures.sharing import difference_figure
from gatefront.dashboards.figures.theme import Scheme, scheme_named
from gatefront.dashboards.presentation.cost_axis import cost_axis
from gatefront.dashboards.presentation.point_text import expected_delta
from gatefront.dashboards.presentation.selection import front_of
from gatefront.dashboards.presentation.selection_text import difference_sentences
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import HIDDEN, card, graph, reason, register_graphs
from gatefront.dashboards.widgets.figure_cache import FigureCache, ShownPoints
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import PointDetail, StudyView, TrialPoint
from gatefront.search.snapshots.protocol import Reader
from gatefront.spaces.gating.sharing_analysis import same_sites


def pair_card() -> Component:
    choosers = [
        dmc.Select(
            id=chooser, label=label, data=[], value=None, allowDeselect=False, searchable=True, size="xs", w=260,
            comboboxProps={"withinPortal": True},
        )
        for chooser, label in ((ids.ONE, "This point"), (ids.OTHER, "compared with"))
    ]  # fmt: skip
    return card(
        "Why this point",
        dmc.Group(choosers, gap="sm", mb="xs"),
        html.Div(id=ids.WORDS, role="status"),
        html.Div(
            graph(ids.TASKS, 300, "Change of every task against its single-task network, of both points"),
            id=ids.TASKS_BOX,
            style=HIDDEN,
        ),
        html.Div(
            [
                dmc.Text("Own channels: the second network less the first", fw=600, size="sm", mt="sm"),
                html.Div(graph(ids.DIFFERENCE, 280, "Difference of the two points' gates"), className="wide"),
            ],
            id=ids.DIFFERENCE_BOX,
            style=HIDDEN,
        ),
        note="Two points of the front: which tasks gain, what it costs, where the gates differ.",
    )


def register_callbacks(app: Dash, reader: Reader) -> None:
    drawn: FigureCache[tuple[Any, ...]] = FigureCache()

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.ONE, "data"),
        Output(ids.ONE, "value"),
        Output(ids.OTHER, "data"),
        Output(ids.OTHER, "value"),
        Output(ids.WORDS, "children"),
        Output(ids.next_figure(ids.TASKS), "data"),
        Output(ids.TASKS_BOX, "style"),
        Output(ids.next_figure(ids.DIFFERENCE), "data"),
        Output(ids.DIFFERENCE_BOX, "style"),
        Input(ids.POINTS, "data"),
        Input(ids.ONE, "value"),
        Input(ids.OTHER, "value"),
        State(ids.STUDY_NAME, "data"),
    )
    async def compare(points: dict[str, str] | None, one: str | None, other: str | None, study: str) -> tuple[Any, ...]:
        shown = ShownPoints.from_json(points)
        if shown is None:
            return (no_update,) * _NUM_OUTPUTS
        return await asyncio.to_thread(
            drawn.get_or_draw,
            (shown, one, other),
            lambda: pair_update(reader, study, shown.scheme, one, other),
            (no_update,) * _NUM_OUTPUTS,
        )

    register_graphs(app, ids.TASKS, ids.DIFFERENCE)


_NUM_OUTPUTS = 9


def pair_update(reader: Reader, study: str, scheme: str, one: str | None, other: str | None) -> tuple[Any, ...]:
    """Return both choosers, the words, and both figures, each with its style."""
    view = reader.view(study)
    front = front_of(view.all_points, cost_axis(view, "flops"), is_plain=True)
    options = [{"value": p.label, "label": f"{p.label}: Δ_MTL {expected_delta(p)}"} for p in front]
    chosen, compared = chosen_pair(view, front, one, other)
    if chosen is None or compared is None:
        words = reason(few_points_sentence(len(front)))
        return options, chosen, options, compared, words, no_update, HIDDEN, no_update, HIDDEN
    details = [_detail(reader, study, label) for label in (chosen, compared)]
    return options, chosen, options, compared, *_compared(view, details[0], details[1], scheme_named(scheme))


def few_points_sentence(number: int) -> str:
    """Return why there is nothing to compare on a front of so few points."""
    found = "has one point" if number else "is empty"
    return f"The front {found} so far; from two on they are compared here, task by task and gate by gate."


def chosen_pair(
    view: StudyView, front: list[TrialPoint], one: str | None, other: str | None
) -> tuple[str | None, str | None]:
    """Return the labels of the chosen points, if they are still on the front.

    Otherwise the first is the best point, and the second the next cheaper one.
    """
    labels = [point.label for point in front]
    best = view.summary.best_label
    fallback = best if best in labels else (labels[-1] if labels else None)
    chosen = one if one in labels else fallback
    if other in labels and other != chosen:
        return chosen, other
    if chosen is None or len(labels) < 2:
        return chosen, None
    position = labels.index(chosen)
    return chosen, labels[position - 1 if position else 1]


def _detail(reader: Reader, study: str, label: str) -> PointDetail:
    point = PointLabel.parse(label)
    networks = reader.trial(study, point.number).networks
    return next(network for network in networks if network.point.derived == point.derived)


def _compared(view: StudyView, chosen: PointDetail, compared: PointDetail, scheme: Scheme) -> tuple[Any, ...]:
    """Return the comparison in words and figures, from the cheaper of the two to the dearer one.

    A person asks what the higher cost buys.
    """
    one, other = sorted((chosen, compared), key=lambda network: network.point.flops or 0)
    names = (one.point.label, other.point.label)
    deltas = {names[0]: one.delta_per_task, names[1]: other.delta_per_task}
    words = html.Ul([html.Li(sentence) for sentence in difference_sentences(view, one, other)], className="words")
    tasks = pair_figure(deltas, view.summary.tasks, scheme)
    if one.gate_map is None or other.gate_map is None or not same_sites(one.gate_map, other.gate_map):
        return words, tasks, {}, no_update, HIDDEN
    return words, tasks, {}, difference_figure(one.gate_map, other.gate_map, names, scheme), {}
