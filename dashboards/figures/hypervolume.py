"""Hypervolume of the front over finished trials: is the search still gaining?"""

import plotly.graph_objects as go

from dashboards.figures.theme import Scheme, base_figure
from search.records import StudyView


def hypervolume_figure(view: StudyView, scheme: Scheme) -> go.Figure:
    """A staircase over the number of finished trials; flat parts gained nothing. It fills its box."""
    figure = base_figure(scheme, height=None, keep=f"hypervolume-{view.summary.name}")
    points = view.hypervolume
    figure.add_scatter(
        x=[point.num_complete for point in points],
        y=[point.hypervolume for point in points],
        customdata=[point.trial for point in points],
        mode="lines+markers", line={"shape": "hv", "color": scheme.good, "width": 2}, marker={"size": 5},
        hovertemplate="after %{x} finished trials<br>hypervolume %{y:.4g}<br>last: trial %{customdata}<extra></extra>",
    )  # fmt: skip
    most = max((point.num_complete for point in points), default=1)
    figure.update_xaxes(title_text="Finished trials", tickformat="d", range=[0, most + 1], dtick=_step(most))
    figure.update_yaxes(title_text="Hypervolume", rangemode="tozero")
    figure.update_layout(showlegend=False, margin={"l": 60, "r": 12, "t": 8, "b": 44})
    return figure


def _step(most: int) -> int:
    """A whole number of trials per tick, about six ticks."""
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if most / step <= 6:
            return step
    return 5000
