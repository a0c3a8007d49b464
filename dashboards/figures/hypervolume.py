"""Hypervolume of the front over finished trials, which shows if the search still gains."""

from collections.abc import Sequence
from itertools import accumulate, islice, pairwise
from typing import Literal

import plotly.graph_objects as go

from gatefront.dashboards.figures.theme import Scheme, base_figure, translucent
from gatefront.search.results.records import HypervolumePoint, StudyView

Over = Literal["trials", "cost"]

LOWER, UPPER = "confirmed points at the lower end", "confirmed points at the upper end"
_MOST_MARKED = 200


def hypervolume_figure(view: StudyView, scheme: Scheme, over: Over = "trials") -> go.Figure:
    """Draw a staircase over the number of finished trials, or over the hours spent. Flat parts gained nothing.

    A long history is reduced to its steps and its end. Around the staircase is the band that points with replicates
    leave open, from the first of them on. The figure fills its box.
    """
    points = steps(view.hypervolume)
    spent = hours_spent(view) if over == "cost" else {}
    across = [spent.get(point.trial, 0.0) if over == "cost" else point.num_complete for point in points]
    stairs = go.Scatter(
        x=across, y=[point.hypervolume for point in points],
        customdata=[[point.trial, point.num_complete, _band_words(point)] for point in points],
        mode="lines+markers", line={"shape": "hv", "color": scheme.good, "width": 2}, marker={"size": 5},
        hovertemplate="after %{customdata[1]} finished trials<br>hypervolume %{y:.4g}%{customdata[2]}"
                      "<br>last: trial %{customdata[0]}<extra></extra>",
    )  # fmt: skip
    # Plotly would number empty axes with values that nobody measured.
    numbered = {"showticklabels": bool(points)}
    return base_figure(
        scheme,
        height=None,
        keep=f"hypervolume-{view.summary.name}-{over}",
        traces=[stairs, *_band(points, across, scheme)],
        xaxis=_xaxis(over, max(across, default=1)) | numbered,
        yaxis={"title": {"text": "Hypervolume"}, "rangemode": "tozero"} | numbered,
        showlegend=False,
        margin={"l": 60, "r": 12, "t": 8, "b": 44},
    )


def steps(points: Sequence[HypervolumePoint]) -> list[HypervolumePoint]:
    """Return the points where the hypervolume or its band changed, the first and the last, or all if they are few."""
    if len(points) <= _MOST_MARKED:
        return list(points)
    changed = [
        after
        for before, after in pairwise(points)
        if after.hypervolume != before.hypervolume or after.band != before.band
    ]
    return list(dict.fromkeys((points[0], *changed, points[-1])))


def hours_spent(view: StudyView) -> dict[int, float]:
    """Return, by trial, the hours that all workers had spent when it finished.

    The sum covers every trial that had ended, and the references.
    """
    own = [point for point in view.trials if point.finished_at is not None and point.seconds is not None]
    seconds = {point.number: point.seconds or 0.0 for point in own}
    for point in (*view.derived, *view.replicates):
        if point.derived and point.number in seconds:
            seconds[point.number] += point.seconds or 0.0
    own.sort(key=lambda point: (point.finished_at or view.summary.created_at, point.number))
    spent = accumulate((seconds[point.number] for point in own), initial=view.summary.reference_seconds)
    return {point.number: total / 3600 for point, total in zip(own, islice(spent, 1, None), strict=True)}


def _xaxis(over: Over, most: float) -> dict[str, object]:
    if over == "cost":
        return {"title": {"text": "Hours of all workers"}, "rangemode": "tozero"}
    whole = {"tickformat": "d", "range": [0, most + 1], "dtick": _step(int(most))}
    return {"title": {"text": "Finished trials"}, **whole}


def _band(points: Sequence[HypervolumePoint], across: Sequence[float], scheme: Scheme) -> list[go.Scatter]:
    """Return the lower and the upper edge of the band, filled between, or nothing without replicates."""
    known = [(x, point.band) for x, point in zip(across, points, strict=True) if point.band is not None]
    if not known:
        return []
    edge = {"mode": "lines", "hoverinfo": "skip",
            "line": {"shape": "hv", "color": scheme.good, "width": 0.8, "dash": "dot"}}  # fmt: skip
    x = [x for x, _ in known]
    low = go.Scatter(x=x, y=[band[0] for _, band in known], name=LOWER, **edge)
    high = go.Scatter(
        x=x,
        y=[band[1] for _, band in known],
        name=UPPER,
        fill="tonexty",
        fillcolor=translucent(scheme.good, 0.18),
        **edge,
    )
    return [low, high]


def _band_words(point: HypervolumePoint) -> str:
    return "" if point.band is None else f", {point.band[0]:.4g} to {point.band[1]:.4g} over the seeds"


def _step(most: int) -> int:
    """Return a whole number of trials per tick, for about six ticks."""
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000):
        if most / step <= 6:
            return step
    return 5000
