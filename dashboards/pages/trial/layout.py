"""Layout of the trial page with empty cards, before anything is known of the trial."""

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.pages.trial.bundle import bundle_parts
from gatefront.dashboards.pages.trial.gate_history import course_card
from gatefront.dashboards.pages.trial.sharing import sharing_card
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import card, graph, labelled
from gatefront.dashboards.widgets.links import TrialKey
from gatefront.dashboards.widgets.polling import INTERVAL_MS
from gatefront.search.results.point_label import PointLabel


def title(key: TrialKey) -> str:
    return f"Trial {PointLabel(key.number, key.derived)} of {key.study} · gatefront"


def layout(key: TrialKey) -> Component:
    return html.Div(
        [
            html.Div(id=ids.TRIAL_BANNER, role="status"),
            html.Div(_content(), id=ids.TRIAL_CONTENT, style={"visibility": "hidden"}),
            dcc.Store(id=ids.TRIAL_KEY, data=[key.study, key.number, key.derived]),
            dcc.Store(id=ids.TRIAL_SEEN),
            dcc.Interval(id=ids.TRIAL_TICK, interval=INTERVAL_MS),
        ]
    )


def _content() -> list[Component]:
    return [
        html.Div(id=ids.TRIAL_HEADER),
        html.Div(id=ids.TRIAL_ACTIONS),
        html.Div(id=ids.TRIAL_STATS, className="block"),
        html.Div(id=ids.TRIAL_NETWORKS, className="block"),
        html.Div(_pull_card(), className="block"),
        html.Div(_gate_card(), className="block"),
        course_card(),
        sharing_card(),
        html.Div(_task_card(), className="block"),
        html.Div(_curves_card(), className="block"),
        html.Div(id=ids.TRIAL_ORIGIN, className="block"),
        html.Div(id=ids.TRIAL_FACTS, className="block"),
        html.Div(id=ids.TRIAL_LOG, className="block"),
    ]


def _pull_card() -> Component:
    return card(
        "Pull this network",
        html.Div(id=ids.TRIAL_PULL),
        *bundle_parts(),
        note="A folder with the pruned network, its weights, metrics and checksums; it loads without gatefront.",
    )


def _gate_card() -> Component:
    site = dmc.Select(
        id=ids.TRIAL_SITE, label="Channels of gate site", allowDeselect=False, searchable=True,
        maw=360, mt="sm", comboboxProps={"withinPortal": True},
    )  # fmt: skip
    width = dmc.SegmentedControl(
        id=ids.WIDTH, value="equal", size="xs", mb="xs",
        data=[{"value": "equal", "label": "sites alike"}, {"value": "flops", "label": "as wide as their FLOPs"}],
        **labelled("how wide a site is drawn"),
    )  # fmt: skip
    return card(
        "What the tasks share",
        html.Div(id=ids.TRIAL_MAP_SENTENCE),
        html.Div(
            [
                width,
                html.Div(graph(ids.TRIAL_MAP, 280, "Gate map: own channels per task and gate site"), className="wide"),
                site,
                html.Div(id=ids.TRIAL_PATTERN_SENTENCE, className="pattern-sentence"),
                graph(ids.TRIAL_PATTERN, 210, "Channel pattern of the chosen gate site"),
            ],
            id=ids.TRIAL_MAP_BOX,
        ),
        note="Share of its channels each task keeps for itself; the rest it takes from the shared branch.",
    )


def _task_card() -> Component:
    return card(
        "Tasks against their single-task networks",
        dmc.Grid(
            [
                dmc.GridCol(html.Div(id=ids.TRIAL_TASKS), span={"base": 12, "lg": 6}),
                dmc.GridCol(
                    graph(ids.TRIAL_DELTAS, 220, "Change of every task against its single-task network"),
                    id=ids.TRIAL_DELTAS_BOX,
                    span={"base": 12, "lg": 6},
                ),
            ],
            gutter="xl",
            align="center",
        ),
    )


def _curves_card() -> Component:
    graphs = [
        (ids.TRIAL_METRICS, "Validation metrics"),
        (ids.TRIAL_DELTA_CURVE, "Δ_MTL"),
        (ids.TRIAL_FLOPS_CURVE, "FLOPs of the pruned network"),
        (ids.TRIAL_LOSSES, "Training losses"),
    ]
    panels = [
        html.Div([dmc.Text(title, fw=600, size="sm"), graph(component, 270, title)], className="panel")
        for component, title in graphs
    ]
    return card(
        "Training",
        html.Div(id=ids.TRIAL_CURVES_SENTENCE),
        dmc.SimpleGrid(panels, cols={"base": 1, "md": 2}, spacing="md", id=ids.TRIAL_CURVES_BOX),
        note="Measured at the end of every epoch, on the network as it would be pruned at that moment.",
    )
