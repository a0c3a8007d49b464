"""Theme of every figure: colors that the color-blind can tell apart, in a light and a dark scheme."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

SchemeName = Literal["light", "dark"]

FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
DELTA_AXIS = "Δ<sub>MTL</sub> (%)"

# Okabe & Ito's palette. Tasks also differ by marker and dash, so no view relies on color alone.
TASK_MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
TASK_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_TASKS_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_TASKS_DARK = ("#56B4E9", "#FF9147", "#2BC79A", "#E0A3C4", "#F2BE45", "#8FB8DE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """Color scheme. ``good`` and ``bad`` are blue and vermilion, which differ for every kind of color vision."""

    name: SchemeName
    text: str
    muted: str
    grid: str
    surface: str
    good: str
    bad: str
    shade: str
    tasks: tuple[str, ...]

    def task_color(self, index: int) -> str:
        return self.tasks[index % len(self.tasks)]


_SCHEMES: dict[SchemeName, Scheme] = {
    "light": Scheme(
        name="light", text="#212529", muted="#6c757d", grid="#e9ecef", surface="#ffffff",
        good="#0072B2", bad="#D55E00", shade="rgba(213,94,0,0.06)", tasks=_TASKS_LIGHT,
    ),
    "dark": Scheme(
        name="dark", text="#e9ecef", muted="#9aa0a6", grid="#3a3a3a", surface="#242424",
        good="#56B4E9", bad="#FF9147", shade="rgba(255,145,71,0.10)", tasks=_TASKS_DARK,
    ),
}  # fmt: skip


def scheme_named(name: str | None) -> Scheme:
    """Return the scheme of that name. Any other name gives the light one, as before the browser has sent its scheme."""
    return _SCHEMES["dark" if name == "dark" else "light"]


def translucent(color: str, opacity: float) -> str:
    """Return a color ``#rrggbb`` with an opacity, so that what lies behind it shows through."""
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def base_figure(
    scheme: Scheme,
    *,
    height: int | None,
    keep: str,
    traces: Sequence[BaseTraceType] = (),
    xaxis: Mapping[str, Any] | None = None,
    yaxis: Mapping[str, Any] | None = None,
    **layout: Any,
) -> go.Figure:
    """Build a figure in the house style, empty without ``traces``. Zoom is kept as long as ``keep`` stays the same.

    Settings of the axes and of the layout replace those of the house. An axis' ``title`` is merged with them.
    """
    # In one go: Plotly takes several times as long to update a layout as to take one.
    axes = {"xaxis": _axis(scheme, xaxis), "yaxis": _axis(scheme, yaxis)}
    return go.Figure(traces, _layout(scheme) | {"height": height, "uirevision": keep} | axes | layout)


def styled(figure: go.Figure, scheme: Scheme, *, height: int | None, keep: str) -> go.Figure:
    """Return the same figure, of several panels, in the house style."""
    figure.update_layout(**_layout(scheme), height=height, uirevision=keep)
    figure.update_xaxes(_axis(scheme))
    figure.update_yaxes(_axis(scheme))
    return figure


def _layout(scheme: Scheme) -> dict[str, object]:
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": scheme.text},
        "margin": {"l": 64, "r": 20, "t": 16, "b": 52},
        "hoverlabel": {
            "bgcolor": scheme.surface,
            "bordercolor": scheme.muted,
            "font": {"family": FONT, "size": 13, "color": scheme.text},
            "align": "left",
        },
        "legend": {
            "orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0,
            "font": {"size": 12}, "itemsizing": "constant",
        },
        "dragmode": "zoom",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": scheme.muted, "activecolor": scheme.good},
    }  # fmt: skip


def _axis(scheme: Scheme, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    own = {} if own is None else own
    return {
        "gridcolor": scheme.grid, "linecolor": scheme.muted, "zerolinecolor": scheme.grid, "zeroline": False,
        "showline": True, "ticklabelstandoff": 4, "ticks": "outside", "ticklen": 4, "tickcolor": scheme.muted,
        "automargin": True,
        "tickfont": {"size": 12, "color": scheme.muted},
        **own,
        "title": {"font": {"size": 13}, "standoff": 10, **own.get("title", {})},
    }  # fmt: skip
