"""The gate-sharing map: which fraction of its channels each task keeps for itself, site by site in depth order."""

import plotly.graph_objects as go

from dashboards.figures.theme import Scheme, base_figure
from spaces.gate_map import GateMap

_ROW_HEIGHT = 44
_MOST_NUMBERS = 24
_MOST_NAMES = 30
_MOST_LEVEL_NAMES = 8


def gate_map_figure(
    gate_map: GateMap, scheme: Scheme, *, keep: str, chosen: str | None = None, hint: str = ""
) -> go.Figure:
    """Heat map, tasks x sites, 0 % = everything shared, 100 % = everything the task's own.

    ``customdata`` is the site's name; the ``chosen`` site is framed. The scale is cividis: it rises in
    lightness too, so it reads without colour.
    """
    sites = gate_map.sites
    percent = [[100 * site.own_fraction(t) for site in sites] for t in range(len(gate_map.tasks))]
    figure = base_figure(scheme, height=150 + _ROW_HEIGHT * len(gate_map.tasks), keep=keep)
    figure.add_heatmap(
        z=percent, x=list(range(len(sites))), y=list(gate_map.tasks), zmin=0, zmax=100,
        colorscale="Cividis", xgap=1.5, ygap=3,
        customdata=[[site.name for site in sites] for _ in gate_map.tasks],
        hovertext=[[_hover(gate_map, s, t) for s in range(len(sites))] for t in range(len(gate_map.tasks))],
        hovertemplate=f"%{{hovertext}}{f'<br><i>{hint}</i>' * bool(hint)}<extra></extra>",
        texttemplate="%{z:.0f}" if len(sites) <= _MOST_NUMBERS else None, textfont={"size": 11},
        colorbar={"title": {"text": "own channels (%)", "side": "right", "font": {"size": 12}}, "thickness": 12,
                  "outlinewidth": 0, "len": 1.0, "tickvals": [0, 25, 50, 75, 100], "tickfont": {"size": 11}},
    )  # fmt: skip
    step = -(-len(sites) // _MOST_NAMES)
    figure.update_xaxes(
        title_text="gate site, from the image to the heads",
        tickvals=list(range(0, len(sites), step)), ticktext=[site.name for site in sites[::step]],
        tickangle=0 if len(sites) <= _MOST_LEVEL_NAMES else -45,
        showgrid=False, showline=False, ticks="", range=[-0.5, len(sites) - 0.5],
    )  # fmt: skip
    figure.update_yaxes(
        autorange="reversed",
        showgrid=False,
        showline=False,
        ticks="",
        ticklabelstandoff=8,
        tickfont={"size": 13, "color": scheme.text},
    )
    _frame(figure, gate_map, scheme, chosen)
    figure.update_layout(margin={"l": 20, "r": 10, "t": 12, "b": 20})
    return figure


def _hover(gate_map: GateMap, s: int, t: int) -> str:
    site = gate_map.sites[s]
    own = site.own[t].count("1")
    return (
        f"<b>{site.name}</b> · {gate_map.tasks[t]}<br>{own} of {site.num_channels} channels are its own "
        f"({100 * site.own_fraction(t):.0f} %)"
    )


def _frame(figure: go.Figure, gate_map: GateMap, scheme: Scheme, chosen: str | None) -> None:
    for index, site in enumerate(gate_map.sites):
        if site.name == chosen:
            figure.add_shape(
                type="rect", x0=index - 0.5, x1=index + 0.5, y0=-0.5, y1=len(gate_map.tasks) - 0.5,
                line={"color": scheme.bad, "width": 3},
            )  # fmt: skip
