"""Page for an address that leads nowhere."""

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.widgets.links import STUDIES

TITLE = "Not found · gatefront"


def layout() -> Component:
    return html.Div(
        [
            dmc.Title("No page has this address", order=1, className="page-title"),
            dmc.Text(["The studies are ", dcc.Link("listed here", href=STUDIES), "."], mt="sm"),
        ]
    )
