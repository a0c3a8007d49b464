"""The markers of the front plot: each kind of point is told by its shape and size, not by its colour alone."""

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
    """A task loses more than was allowed."""
    return {"symbol": "line-ew-open", "size": 8, "color": scheme.muted, "line": {"width": 1.5}}


def stopped(scheme: Scheme) -> Marker:
    """Where a trial stood when it was stopped early."""
    return {"symbol": "triangle-down-open", "size": 8, "color": scheme.muted, "line": {"width": 1.2}}


def knee(scheme: Scheme) -> Marker:
    """The bend of the front."""
    return {"symbol": "square-open", "size": 20, "color": scheme.text, "line": {"width": 1.5}}
