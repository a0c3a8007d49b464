"""Gate-sharing map: the fraction of its channels that each task keeps for itself, site by site in depth order."""

from itertools import accumulate, pairwise

import plotly.graph_objects as go

from gatefront.dashboards.figures.labels import as_label, axis_labels
from gatefront.dashboards.figures.theme import Scheme, base_figure
from gatefront.spaces.gating.gate_counts import NOT_READ, GateCounts
from gatefront.spaces.gating.gate_map import GateMap

_ROW_HEIGHT = 44
_MOST_NUMBERS = 24
_MOST_NAMES = 30
_MOST_LEVEL_NAMES = 8


def gate_map_figure(
    gate_map: GateMap | GateCounts,
    scheme: Scheme,
    *,
    keep: str,
    chosen: str | None = None,
    hint: str = "",
    by_flops: bool = False,
) -> go.Figure:
    """Draw a heat map, tasks x sites, from 0 % (everything shared) to 100 % (everything the task's own).

    ``customdata`` is the site's name, and the ``chosen`` site is framed. The scale is cividis. Its lightness rises too,
    so that it reads without color. ``by_flops`` makes each site as wide as its cost in one branch.
    """
    counts = gate_map if isinstance(gate_map, GateCounts) else GateCounts.of(gate_map)
    sites, tasks = counts.sites, axis_labels(counts.tasks)
    edges = _edges(counts, by_flops=by_flops)
    figure = base_figure(scheme, height=map_height(len(tasks)), keep=keep)
    figure.add_heatmap(
        z=[[100 * site.own_fraction(t) for site in sites] for t in range(len(tasks))], x=edges, y=tasks,
        zmin=0, zmax=100, colorscale="Cividis", xgap=1.5, ygap=3,
        customdata=[[site.name for site in sites] for _ in tasks],
        hovertext=[[_hover(counts, s, t) for s in range(len(sites))] for t in range(len(tasks))],
        hovertemplate=f"%{{hovertext}}{f'<br><i>{hint}</i>' * bool(hint)}<extra></extra>",
        texttemplate="%{z:.0f}" if len(sites) <= _MOST_NUMBERS and not by_flops else None,
        textfont={"size": 11, "weight": 600},
        colorbar={"title": {"text": "own channels (%)", "side": "right", "font": {"size": 12}}, "thickness": 12,
                  "outlinewidth": 0, "len": 1.0, "tickvals": [0, 25, 50, 75, 100], "tickfont": {"size": 11}},
    )  # fmt: skip
    step = -(-len(sites) // _MOST_NAMES)
    figure.update_xaxes(
        title_text=f"gate site, from the image to the heads{', as wide as its FLOPs' * by_flops}",
        tickvals=[(left + right) / 2 for left, right in pairwise(edges)][::step],
        ticktext=[as_label(site.name) for site in sites[::step]],
        tickangle=0 if len(sites) <= _MOST_LEVEL_NAMES else -45,
        showgrid=False, showline=False, ticks="", range=[edges[0], edges[-1]],
    )  # fmt: skip
    figure.update_yaxes(
        type="category",
        autorange="reversed",
        showgrid=False,
        showline=False,
        ticks="",
        ticklabelstandoff=8,
        tickfont={"size": 13, "color": scheme.text},
    )
    _frame(figure, counts, scheme, chosen, edges)
    figure.update_layout(margin={"l": 20, "r": 10, "t": 12, "b": 20})
    return figure


def map_height(num_tasks: int) -> int:
    """Return the height in pixels of a map of ``num_tasks`` tasks."""
    return 150 + _ROW_HEIGHT * num_tasks


def _hover(counts: GateCounts, s: int, t: int) -> str:
    site = counts.sites[s]
    title = f"<b>{as_label(site.name)}</b> · {as_label(counts.tasks[t])}<br>"
    if site.own[t] == NOT_READ:
        return f"{title}its predictions do not depend on this site"
    return f"{title}{site.own[t]} of {site.num_channels} channels are its own ({100 * site.own_fraction(t):.0f} %)"


def _edges(counts: GateCounts, *, by_flops: bool) -> list[float]:
    """Return where each site begins and the last one ends. The total width is the number of sites."""
    costs = [site.flops_per_channel * site.num_channels if by_flops else 1.0 for site in counts.sites]
    scale = len(costs) / (sum(costs) or 1.0)
    return [-0.5, *(scale * end - 0.5 for end in accumulate(costs))]


def _frame(figure: go.Figure, counts: GateCounts, scheme: Scheme, chosen: str | None, edges: list[float]) -> None:
    for index, site in enumerate(counts.sites):
        if site.name == chosen:
            figure.add_shape(
                type="rect", x0=edges[index], x1=edges[index + 1], y0=-0.5, y1=len(counts.tasks) - 0.5,
                line={"color": scheme.bad, "width": 3},
            )  # fmt: skip
