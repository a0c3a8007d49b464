"""Router from addresses to pages.

Dash's own page registry is not used. It is one list for all apps of a process, and its path variables run across
slashes. On the FastAPI backend of Dash 4.4 the first page served also lacks the script that sets the title.
"""

import asyncio

from dash import Dash, Input, Output, State
from dash.development.base_component import Component

from gatefront.dashboards.pages import comparison, not_found, studies, system
from gatefront.dashboards.pages.start import page as start
from gatefront.dashboards.pages.study import actions as study_actions
from gatefront.dashboards.pages.study import page as study
from gatefront.dashboards.pages.trial import actions as trial_extras
from gatefront.dashboards.pages.trial import bundle as trial_bundle
from gatefront.dashboards.pages.trial import page as trial
from gatefront.dashboards.pages.trial.layout import layout, title
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.links import (
    START,
    STUDIES,
    SYSTEM,
    TrialKey,
    parse_comparison,
    parse_point,
    parse_study,
    parse_trial,
)
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.service.control.study_control import StudyControl
from gatefront.search.snapshots.protocol import Reader


def register_pages(app: Dash, reader: Reader, control: StudyControl | None, bundles: BundleJobs | None) -> None:
    """Attach every page's callbacks, and the one that changes pages. Without a control nothing can be changed."""
    for page in (studies, study, trial, comparison, system):
        page.register_callbacks(app, reader)
    for page in (study_actions, trial_extras):
        page.register_callbacks(app, reader, control)
    trial_bundle.register_callbacks(app, bundles)
    if control is not None:
        start.register_callbacks(app, control)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.PAGE, "children"),
        Output(ids.TITLE, "data"),
        Input(ids.ADDRESS, "pathname"),
        Input(ids.ADDRESS, "search"),
        State(ids.COLOR_SCHEME, "computedColorScheme"),
    )
    async def show(pathname: str | None, search: str | None, scheme: str | None) -> tuple[Component, str]:
        if control is not None and pathname == START:
            return await asyncio.to_thread(start.layout, reader), start.TITLE
        can_act = control is not None
        return await asyncio.to_thread(page_at, reader, pathname or STUDIES, search, scheme, can_act=can_act)

    app.clientside_callback(  # type: ignore[no-untyped-call]
        # A page that a button or a point leads to begins at its top, as one behind a link does.
        "function (title) { document.title = title; window.scrollTo(0, 0); }",
        Output(ids.TITLE, "clear_data"),
        Input(ids.TITLE, "data"),
    )


def page_at(
    reader: Reader, pathname: str, search: str | None = None, scheme: str | None = None, *, can_act: bool = False
) -> tuple[Component, str]:
    """Return the page's layout and its title. A person who cannot act gets no link to do so."""
    if pathname == STUDIES:
        return studies.layout(can_act=can_act), studies.TITLE
    if pathname == SYSTEM:
        return system.layout(), system.TITLE
    named = parse_trial(pathname)
    if named is not None:
        key = TrialKey(*named, parse_point(search))
        return layout(key), title(key)
    name = parse_study(pathname)
    if name is not None:
        return study.layout(reader, name, scheme), study.title(name)
    compared = parse_comparison(pathname)
    if compared is not None:
        return comparison.layout(compared), comparison.title(compared)
    return not_found.layout(), not_found.TITLE
