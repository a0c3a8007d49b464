"""Markers of the front plot. Shape and size tell each kind of point apart, not color alone."""

from gatefront.dashboards.figures.theme import Scheme

Marker = dict[str, object]


def on_front(scheme: Scheme) -> Marker:
    return {"symbol": "circle", "size": 11, "color": scheme.good, "line": {"color": scheme.surface, "width": 1}}


def derived_on_front(scheme: Scheme) -> Marker:
    return {"symbol": "diamond-open", "size": 9, "color": scheme.good, "line": {"width": 2.5}}


def dominated(scheme: Scheme) -> Marker:
    return {"symbol": "circle-open", "size": 9, "color": scheme.muted, "line": {"width": 1.5}}


def derived_dominated(scheme: Scheme) -> Marker:
    return {"symbol": "diamond-open", "size": 6, "color": scheme.muted, "line": {"width": 1.2}}


def over_budget(scheme: Scheme) -> Marker:
    return {"symbol": "x-thin", "size": 9, "color": scheme.bad, "line": {"color": scheme.bad, "width": 2}}


def best(scheme: Scheme) -> Marker:
    return {"symbol": "circle-open", "size": 20, "color": scheme.good, "line": {"width": 2}}


def below_floor(scheme: Scheme) -> Marker:
    """Return the marker of a point in which a task loses more than was allowed."""
    return {"symbol": "line-ew-open", "size": 8, "color": scheme.muted, "line": {"width": 1.5}}


def stopped(scheme: Scheme) -> Marker:
    """Return the marker of a trial that was stopped early."""
    return {"symbol": "triangle-down-open", "size": 8, "color": scheme.muted, "line": {"width": 1.2}}


def knee(scheme: Scheme) -> Marker:
    """Return the marker of the front's bend."""
    return {"symbol": "square-open", "size": 20, "color": scheme.text, "line": {"width": 1.5}}
