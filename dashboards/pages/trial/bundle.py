"""Zip of a bundle on the trial page: packed in the background, step by step, then saved by the browser."""

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import alert, labelled
from gatefront.dashboards.widgets.links import bundle_path
from gatefront.search.errors import TooManyError
from gatefront.search.results.formats import format_bytes
from gatefront.search.results.point_label import PointLabel
from gatefront.search.service.bundle_jobs import BundleJob, BundleJobs

_POLL_MS = 500
# Reading, pruning, exporting, comparing, drawing, verifying, packing.
_NUM_STEPS = 8


def bundle_parts() -> list[Component]:
    """Return the components beside the button: the place for progress, the store of the job's name and a clock."""
    return [
        html.Div(id=ids.TRIAL_BUNDLE_STATE, role="status"),
        dcc.Store(id=ids.TRIAL_BUNDLE_JOB),
        dcc.Interval(id=ids.TRIAL_BUNDLE_TICK, interval=_POLL_MS, disabled=True),
    ]


def bundle_button() -> Component:
    button: Component = dmc.Button("Download as zip", id=ids.TRIAL_BUNDLE_BUTTON, variant="default")
    return button


def register_callbacks(app: Dash, jobs: BundleJobs | None) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.TRIAL_BUNDLE_JOB, "data"),
        Output(ids.TRIAL_BUNDLE_TICK, "disabled"),
        Output(ids.TRIAL_BUNDLE_STATE, "children"),
        Input(ids.TRIAL_BUNDLE_BUTTON, "n_clicks"),
        Input(ids.TRIAL_BUNDLE_TICK, "n_intervals"),
        State(ids.TRIAL_KEY, "data"),
        State(ids.TRIAL_BUNDLE_JOB, "data"),
        prevent_initial_call=True,
    )
    def pack(clicks: int | None, _: int | None, key: tuple[str, int, int], job: str | None) -> tuple[Any, ...]:
        if ctx.triggered_id == ids.TRIAL_BUNDLE_BUTTON and clicks:
            return start_packing(jobs, key)
        state = None if job is None or jobs is None else jobs.find(job)
        return (no_update,) * 3 if state is None else (no_update, state.is_done, bundle_state(state))

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("gatefront", "saveBundle"),
        Output(ids.TRIAL_BUNDLE_STATE, "title"),
        Input(ids.TRIAL_BUNDLE_STATE, "children"),
        prevent_initial_call=True,
    )


def start_packing(jobs: BundleJobs | None, key: tuple[str, int, int]) -> tuple[Any, ...]:
    """Return the job's name, True if the clock is disabled, and the words of the page."""
    study, number, derived = key
    if jobs is None:
        return None, True, alert("Bundles are not packed here. Use `gatefront pull`.")
    try:
        return jobs.start(study, str(PointLabel(number, derived))).id, False, "The bundle is being packed …"
    except TooManyError as error:
        return None, True, alert(str(error))


def bundle_state(job: BundleJob) -> Component | None:
    """Return the present step, the link to the zip, or the reason why there is none."""
    if job.error:
        return alert(f"The bundle could not be packed. {job.error}")
    if job.path is not None:
        words = f"{job.path.name}, {format_bytes(job.path.stat().st_size)}"
        link = html.A(words, href=bundle_path(job.id), download=job.path.name, id=ids.TRIAL_BUNDLE_LINK)
        return html.Div(["The bundle is packed and verified: ", link], className="bundle-state")
    num_steps = len(job.steps)
    words = f"Step {num_steps} of {_NUM_STEPS}: {job.step} …" if job.steps else "Waiting for another bundle …"
    bar = dmc.Progress(
        value=100 * num_steps / (_NUM_STEPS + 1), size="sm", radius="xl", **labelled("packing the bundle")
    )
    return html.Div([html.Div(words), bar], className="bundle-state")
