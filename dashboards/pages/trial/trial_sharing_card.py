"""The place of the further pictures of what the tasks of one network share."""

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from gatefront.dashboards.figures.sharing import FLOW_HEIGHT
from gatefront.dashboards.widgets import front_ids
from gatefront.dashboards.widgets.components import HIDDEN, card, graph


def sharing_card() -> Component:
    """Hidden until the network has a gate map."""
    titles = [
        (front_ids.AFFINITY, "Who shares with whom", 320, "Part of a branch that two tasks both share", ""),
        (
            front_ids.FLOPS,
            "FLOPs per site",
            300,
            "FLOPs of the shared branch and each task's own, per gate site",
            "wide",
        ),
    ]
    panels = [
        html.Div(
            [dmc.Text(title, fw=600, size="sm"), html.Div(graph(component, height, label), className=way)],
            className="panel",
        )
        for component, title, height, label, way in titles
    ]
    flow = [
        dmc.Text("Where the tasks part", fw=600, size="sm", mt="sm"),
        html.Div(graph(front_ids.FLOW, FLOW_HEIGHT, "Shared and own features from stage to stage"), className="wide"),
    ]
    return html.Div(
        card(
            "Sharing in depth",
            html.Div(id=front_ids.WORDS_OF_MAP),
            dmc.SimpleGrid(panels, cols={"base": 1, "md": 2}, spacing="md"),
            *flow,
            note="By FLOPs, at the mean cost of a site's channels. A task's ribbon leaves the grey trunk "
            "for what it keeps for itself.",
        ),
        id=front_ids.SHARING_BOX,
        className="block",
        style=HIDDEN,
    )
