"""Frame around all pages: the link past the header, the header with its links, and the place of the page."""

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import labelled
from gatefront.dashboards.widgets.links import START, STUDIES, SYSTEM


def frame(*, can_act: bool) -> Component:
    """Return what stays while pages change. A person who cannot act gets no link to the page that starts a study."""
    links = [("Studies", STUDIES), *([("Start a study", START)] if can_act else []), ("System", SYSTEM)]
    nav = html.Nav([dcc.Link(name, href=path) for name, path in links], **labelled("pages"))
    brand = dcc.Link(
        [html.Img(src="/assets/logo.svg", alt="", className="logo"), html.Span("gatefront")],
        href=STUDIES,
        className="brand",
    )
    scheme = dmc.ColorSchemeToggle(
        id=ids.COLOR_SCHEME, lightIcon="☾", darkIcon="☀", variant="subtle", color="gray", size="lg",
        **labelled("switch between light and dark"),
    )  # fmt: skip
    whole: Component = dmc.MantineProvider(
        [
            # A plain anchor: a link of Dash's would ask for another page.
            html.A("Skip to the page", href=f"#{ids.PAGE}", className="skip"),
            dcc.Location(id=ids.ADDRESS, refresh="callback-nav"),
            dcc.Store(id=ids.TITLE),
            html.Header(html.Div([brand, nav, scheme], className="frame"), className="top"),
            html.Main(id=ids.PAGE, className="frame", tabIndex=-1),
        ],
        theme={
            "primaryColor": "blue",
            "primaryShade": 8,
            "respectReducedMotion": True,
            "headings": {"fontWeight": "650"},
        },
        defaultColorScheme="light",
    )
    return whole
