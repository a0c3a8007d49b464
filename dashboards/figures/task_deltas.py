"""Terms of Δ_MTL by task, which show the tasks that gain from sharing and those that lose."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from gatefront.dashboards.figures.labels import axis_labels
from gatefront.dashboards.figures.theme import Scheme, base_figure
from gatefront.search.results.formats import format_delta
from gatefront.search.results.records import TaskRecord


def task_deltas_figure(deltas: Mapping[str, float], tasks: Sequence[TaskRecord], scheme: Scheme) -> go.Figure:
    """Draw bars in percent of the single-task metric: blue gains, vermilion loses, with the sign in writing."""
    names = [task.name for task in tasks if task.name in deltas]
    shown, values = axis_labels(names), [deltas[name] for name in names]
    figure = base_figure(scheme, height=92 + 44 * len(shown), keep="task-deltas")
    figure.add_bar(
        x=values, y=shown, orientation="h", width=0.55,
        marker={"color": [scheme.good if value >= 0 else scheme.bad for value in values]},
        text=[format_delta(value) for value in values], textposition="outside", cliponaxis=False,
        textfont={"size": 13, "color": scheme.text},
        hovertemplate="%{y}: %{text} against its single-task network<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": scheme.muted, "width": 1})
    low, high = min([0.0, *values]), max([0.0, *values])
    room = 0.5 * ((high - low) or 1.0)
    figure.update_xaxes(
        title_text="change against the single-task network (%)",
        range=[low - (room if low < 0 else 0.2 * room), high + (room if high > 0 else 0.2 * room)],
    )
    figure.update_yaxes(
        type="category",
        autorange="reversed",
        ticks="",
        showline=False,
        showgrid=False,
        tickfont={"size": 13, "color": scheme.text},
    )
    figure.update_layout(margin={"l": 20, "r": 20, "t": 8, "b": 48})
    return figure
