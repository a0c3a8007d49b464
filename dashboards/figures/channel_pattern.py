"""Channel pattern of one gate site: for each task and channel, its own or the shared one."""

import plotly.graph_objects as go

from gatefront.dashboards.figures.labels import as_label, axis_labels
from gatefront.dashboards.figures.theme import Scheme, base_figure
from gatefront.spaces.gating.gate_map import UNREAD, GateSite

_ROW_HEIGHT = 38
_CHOICES = {"1": "its own", "0": "the shared one", UNREAD: "read by other tasks only"}


def channel_pattern_figure(tasks: tuple[str, ...], site: GateSite, scheme: Scheme) -> go.Figure:
    """Draw tasks x channels, dark (on the dark scheme: light) where a task keeps its own channel."""
    shared, own = ("#dbe4ec", "#00467a") if scheme.name == "light" else ("#3d444b", "#7cc4f0")
    values = [[None if flag == UNREAD else int(flag) for flag in row] for row in site.own]
    figure = base_figure(scheme, height=96 + _ROW_HEIGHT * len(tasks), keep=f"pattern-{site.name}")
    figure.add_heatmap(
        z=values, x=list(range(site.num_channels)), y=axis_labels(tasks), zmin=0, zmax=1, showscale=False,
        colorscale=[[0, shared], [1, own]], xgap=1 if site.num_channels <= 128 else 0, ygap=3,
        hovertext=[[f"{task} · channel {c}: {_CHOICES[flag]}" for c, flag in enumerate(row)]
                   for task, row in zip(map(as_label, tasks), site.own, strict=True)],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    for name, color in (("own channel", own), ("shared channel", shared)):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=name, marker={"symbol": "square", "size": 12, "color": color}
        )
    figure.update_xaxes(title_text="channel", showgrid=False, showline=False, range=[-0.5, site.num_channels - 0.5])
    figure.update_yaxes(
        type="category",
        autorange="reversed",
        showgrid=False,
        showline=False,
        ticks="",
        ticklabelstandoff=8,
        tickfont={"size": 13, "color": scheme.text},
    )
    figure.update_layout(margin={"l": 20, "r": 10, "t": 30, "b": 20})
    return figure


def pattern_sentence(tasks: tuple[str, ...], site: GateSite) -> str:
    """Return the same picture in words: how many channels each task keeps, and how many all of them share."""
    rows = dict(zip(tasks, site.own, strict=True))
    kept = ", ".join(f"{task} {row.count('1')}" for task, row in rows.items() if not row.startswith(UNREAD))
    by_all = sum(1 for flags in zip(*site.own, strict=True) if set(flags) - {UNREAD} == {"0"})
    others = ", ".join(task for task, row in rows.items() if row.startswith(UNREAD))
    unread = f" Not read by: {others}." if others else ""
    return f"Own channels of {site.num_channels}: {kept}. Shared by every task: {by_all}.{unread}"
