"""The place of the gates over training: a slider over the epochs and the map as it then was."""

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from gatefront.dashboards.figures.gate_map import map_height
from gatefront.dashboards.widgets import front_ids
from gatefront.dashboards.widgets.components import HIDDEN, card, graph

_FEW_TASKS = 3


def course_card() -> Component:
    """Hidden for a network without gates."""
    slider = dmc.Slider(
        id=front_ids.COURSE_EPOCH, min=0, max=1, step=1, value=None, updatemode="drag", size="sm", mb="md", mt="xl",
        thumbLabel="epoch whose gates are shown",
    )  # fmt: skip
    label = "Gate map after the chosen epoch: own channels per task and gate site"
    return html.Div(
        card(
            "The gates while they trained",
            html.Div(id=front_ids.COURSE_SENTENCE, role="status", className="pattern-sentence"),
            html.Div(
                [slider, html.Div(graph(front_ids.COURSE, map_height(_FEW_TASKS), label), className="wide")],
                id=front_ids.COURSE_MAP_BOX,
                style=HIDDEN,
            ),
            note="The same map after every epoch. Drag the slider, or use the arrow keys; at its marks the gates were "
            "cut and frozen.",
        ),
        id=front_ids.COURSE_BOX,
        className="block",
        style=HIDDEN,
    )
