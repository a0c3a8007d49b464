"""Which page an address shows.

Dash's own page registry is not used: it is one list for all apps of a process, its path variables run across
slashes, and on the FastAPI backend of Dash 4.4 the first page served lacks the script that sets the title.
"""

import asyncio

from dash import Dash, Input, Output
from dash.development.base_component import Component

from dashboards import ids
from dashboards.links import STUDIES, parse_comparison, parse_point, parse_study, parse_trial
from dashboards.pages import comparison, not_found, studies, study, trial
from dashboards.pages.trial_layout import TrialKey, layout, title
from dashboards.reader import Reader


def register_pages(app: Dash, reader: Reader) -> None:
    """Attach every page's callbacks, and the one that changes pages."""
    for page in (studies, study, trial, comparison):
        page.register_callbacks(app, reader)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.PAGE, "children"),
        Output(ids.TITLE, "data"),
        Input(ids.ADDRESS, "pathname"),
        Input(ids.ADDRESS, "search"),
    )
    async def show(pathname: str | None, search: str | None) -> tuple[Component, str]:
        return await asyncio.to_thread(page_at, pathname or STUDIES, search)

    app.clientside_callback(  # type: ignore[no-untyped-call]
        "function (title) { document.title = title; }", Output(ids.TITLE, "clear_data"), Input(ids.TITLE, "data")
    )


def page_at(pathname: str, search: str | None = None) -> tuple[Component, str]:
    """The page's layout and its title."""
    if pathname == STUDIES:
        return studies.layout(), studies.TITLE
    named = parse_trial(pathname)
    if named is not None:
        key = TrialKey(*named, parse_point(search))
        return layout(key), title(key)
    name = parse_study(pathname)
    if name is not None:
        return study.layout(name), study.title(name)
    compared = parse_comparison(pathname)
    if compared is not None:
        return comparison.layout(compared), comparison.title(compared)
    return not_found.layout(), not_found.TITLE
