"""Table of measured latencies on the trial page."""

from dash import html
from dash.development.base_component import Component

from gatefront.dashboards.widgets.components import card
from gatefront.search.results.formats import format_time
from gatefront.search.results.latency import Latency
from gatefront.search.results.records import PointDetail

_TEXTS = ("Device", "Runtime", "Precision")
_NUMBERS = ("Threads", "Batch", "Median ms", "10th to 90th percentile", "Images/s")


def latency_card(chosen: PointDetail) -> Component | None:
    """Return the latencies of the shown network where it was measured, or None if nobody measured it."""
    if not chosen.latencies:
        return None
    head = html.Tr(
        [
            *(html.Th(name) for name in _TEXTS),
            *(html.Th(name, className="number") for name in _NUMBERS),
            html.Th("Measured"),
        ]
    )
    rows = [_row(latency) for latency in chosen.latencies]
    return card(
        "How long it takes",
        html.Div(html.Table([html.Thead(head), html.Tbody(rows)], className="plain"), className="scroll"),
        note="Wall time of one forward pass, as gatefront bench measured it on the network's bundle.",
    )


def _row(latency: Latency) -> Component:
    texts = (f"{latency.device} ({latency.host})", f"{latency.runtime} {latency.version}", latency.precision)
    numbers = (
        str(latency.threads),
        str(latency.batch),
        f"{latency.median_ms:.3g}",
        f"{latency.p10_ms:.3g} to {latency.p90_ms:.3g}",
        f"{latency.images_per_second:,.0f}",
    )
    return html.Tr(
        [
            *(html.Td(text) for text in texts),
            *(html.Td(number, className="number") for number in numbers),
            html.Td(format_time(latency.measured_at)),
        ]
    )
