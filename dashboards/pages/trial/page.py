"""Trial page: what its tasks share, how it learned, what it is worth, and how to pull it."""

import asyncio
import math
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, no_update

from gatefront.dashboards.figures.channel_pattern import channel_pattern_figure, pattern_sentence
from gatefront.dashboards.figures.curves import delta_curve_figure, flops_curve_figure, loss_figure, metric_figure
from gatefront.dashboards.figures.gate_map import gate_map_figure
from gatefront.dashboards.figures.task_deltas import task_deltas_figure
from gatefront.dashboards.figures.theme import scheme_named
from gatefront.dashboards.pages.trial import gate_history as trial_course
from gatefront.dashboards.pages.trial import sharing as trial_sharing
from gatefront.dashboards.pages.trial.networks import networks_card
from gatefront.dashboards.pages.trial.sections import pull_row, task_table, trial_facts, trial_header, trial_stats
from gatefront.dashboards.presentation.empty_states import curves_sentence, map_sentence, trial_sentence
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import HIDDEN, alert, reason, register_graphs
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import ClientState, no_update_outputs, pause, poll
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.records import PointDetail, StudyView, TrialDetail
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.protocol import Reader
from gatefront.spaces.gating.gate_map import GateMap

_UNDER_WAY = (TrialState.QUEUED, TrialState.RUNNING)


def register_callbacks(app: Dash, reader: Reader) -> None:
    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        *(Output(component, prop) for component, prop in _OUTPUTS),
        Input(ids.TRIAL_TICK, "n_intervals"),
        Input(ids.COLOR_SCHEME, "computedColorScheme"),
        State(ids.TRIAL_KEY, "data"),
        State(ids.TRIAL_SEEN, "data"),
        State(ids.TRIAL_SITE, "value"),
        running=pause(ids.TRIAL_TICK),
    )
    async def update(
        _: int | None, scheme: str | None, key: tuple[str, int, int], seen: dict[str, str] | None, site: str | None
    ) -> tuple[Any, ...]:
        return await asyncio.to_thread(trial_update, reader, TrialKey(*key), ClientState.from_json(seen), scheme, site)

    @app.callback(  # type: ignore[untyped-decorator, unused-ignore]
        Output(ids.next_figure(ids.TRIAL_MAP), "data"),
        Output(ids.next_figure(ids.TRIAL_PATTERN), "data"),
        Output(ids.TRIAL_PATTERN_SENTENCE, "children"),
        Input(ids.TRIAL_SITE, "value"),
        Input(ids.TRIAL_SEEN, "data"),
        Input(ids.WIDTH, "value"),
        State(ids.TRIAL_KEY, "data"),
        prevent_initial_call=True,
    )
    async def show_site(
        site: str | None, seen: dict[str, str] | None, width: str | None, key: tuple[str, int, int]
    ) -> tuple[Any, ...]:
        by_flops = width == "flops"
        return await asyncio.to_thread(
            lambda: site_update(reader, TrialKey(*key), ClientState.from_json(seen), site, by_flops=by_flops)
        )

    trial_course.register_callbacks(app, reader)
    trial_sharing.register_callbacks(app, reader)
    register_graphs(app, ids.TRIAL_MAP, ids.TRIAL_PATTERN, *_PLOTS)
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("gatefront", "chooseSite"),
        Output(ids.TRIAL_SITE, "value", allow_duplicate=True),
        Input(ids.TRIAL_MAP, "clickData"),
        prevent_initial_call=True,
    )


_PLOTS = (ids.TRIAL_DELTAS, ids.TRIAL_METRICS, ids.TRIAL_DELTA_CURVE, ids.TRIAL_FLOPS_CURVE, ids.TRIAL_LOSSES)
_OUTPUTS = (
    (ids.TRIAL_BANNER, "children"),
    (ids.TRIAL_CONTENT, "style"),
    (ids.TRIAL_HEADER, "children"),
    (ids.TRIAL_STATS, "children"),
    (ids.TRIAL_NETWORKS, "children"),
    (ids.TRIAL_MAP_SENTENCE, "children"),
    (ids.TRIAL_MAP_BOX, "style"),
    (ids.TRIAL_SITE, "data"),
    (ids.TRIAL_SITE, "value"),
    (ids.TRIAL_TASKS, "children"),
    (ids.next_figure(ids.TRIAL_DELTAS), "data"),
    (ids.TRIAL_DELTAS_BOX, "style"),
    (ids.TRIAL_PULL, "children"),
    (ids.TRIAL_CURVES_SENTENCE, "children"),
    (ids.TRIAL_CURVES_BOX, "style"),
    (ids.next_figure(ids.TRIAL_METRICS), "data"),
    (ids.next_figure(ids.TRIAL_DELTA_CURVE), "data"),
    (ids.next_figure(ids.TRIAL_FLOPS_CURVE), "data"),
    (ids.next_figure(ids.TRIAL_LOSSES), "data"),
    (ids.TRIAL_FACTS, "children"),
    (ids.TRIAL_SEEN, "data"),
)


def trial_update(
    reader: Reader, key: TrialKey, seen: ClientState, scheme: str | None, site: str | None
) -> tuple[Any, ...]:
    """Return all outputs of the page, in the order of `_OUTPUTS`, with `no_update` for what stays."""
    look = poll(seen, scheme, lambda: reader.revision(key.study), lambda: _read(reader, key))
    if look.value is None:
        return no_update_outputs(look, len(_OUTPUTS))
    view, detail, chosen = look.value
    tasks, colors = view.summary.tasks, look.scheme
    gate_map = chosen.gate_map
    return (
        alert(trial_sentence(detail), "blue" if detail.point.state in _UNDER_WAY else "orange"),
        {},
        trial_header(view, detail, chosen),
        trial_stats(view, detail, chosen),
        networks_card(view, detail, chosen),
        reason(map_sentence(detail)),
        {} if gate_map else HIDDEN,
        [entry.name for entry in gate_map.sites] if gate_map else [],
        _chosen(gate_map, site),
        task_table(view, detail, chosen),
        task_deltas_figure(chosen.delta_per_task, tasks, colors),
        {} if chosen.delta_per_task else HIDDEN,
        pull_row(detail, chosen),
        reason(curves_sentence(detail)),
        {} if detail.epochs else HIDDEN,
        metric_figure(detail.epochs, tasks, colors),
        delta_curve_figure(detail.epochs, colors),
        flops_curve_figure(detail.epochs, view.summary.flop_budget, colors),
        loss_figure(detail.epochs, tasks, colors),
        trial_facts(detail, chosen),
        look.seen.to_json(),
    )


def site_update(
    reader: Reader, key: TrialKey, seen: ClientState, site: str | None, *, by_flops: bool = False
) -> tuple[Any, ...]:
    """Return the gate map with the chosen site framed, its channel pattern and the same in words."""
    if site is None:
        return (no_update,) * 3
    gate_map = _network(reader.trial(key.study, key.number), key.derived).gate_map
    chosen = next((entry for entry in gate_map.sites if entry.name == site), None) if gate_map else None
    if gate_map is None or chosen is None:
        return (no_update,) * 3
    colors = scheme_named(seen.scheme)
    return (
        gate_map_figure(
            gate_map,
            colors,
            keep=f"map-{key.study}-{key.number}.{key.derived}",
            chosen=site,
            hint="click to see its channels",
            by_flops=by_flops,
        ),
        channel_pattern_figure(gate_map.tasks, chosen, colors),
        pattern_sentence(gate_map.tasks, chosen),
    )


def _read(reader: Reader, key: TrialKey) -> tuple[StudyView, TrialDetail, PointDetail]:
    view = reader.view(key.study)
    if all(point.number != key.number for point in view.trials):
        raise StudyNotFoundError(f"Study {key.study} has no such trial.", hint="Its trials are listed on its page.")
    detail = reader.trial(key.study, key.number)
    return view, detail, _network(detail, key.derived)


def _network(detail: TrialDetail, derived: int) -> PointDetail:
    """Return the requested network.

    If the trial is not complete, it is the trial's own network, because the others may still come.
    """
    own, *others = detail.networks
    if not derived or own.point.state is not TrialState.COMPLETE:
        return own
    for network in others:
        if network.point.derived == derived:
            return network
    raise StudyNotFoundError(
        f"Trial {own.point.number} has no derived point {derived}.", hint="The trial's own page lists those it has."
    )


def _chosen(gate_map: GateMap | None, site: str | None) -> str | None:
    """Return the site whose channels are shown: the person's choice, or the one on which tasks are most divided."""
    if gate_map is None:
        return None
    if any(entry.name == site for entry in gate_map.sites):
        return site
    divided = [
        sum(share * (1 - share) for share in shares if not math.isnan(share)) for shares in gate_map.own_fractions()
    ]
    return gate_map.sites[divided.index(max(divided))].name
