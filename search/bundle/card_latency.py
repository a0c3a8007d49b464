"""The card's section on measured latencies."""

from collections.abc import Iterable

from gatefront.search.results.latency import Latency


def latency_section(latencies: Iterable[Latency]) -> str:
    """Markdown: one row per setting."""
    lines = [
        "## How long it takes",
        "",
        "One forward pass as `gatefront bench` measured it: the median in milliseconds, and 10th to 90th percentile.",
        "",
        "| device (host) | runtime | threads | batch | precision | ms | images/s |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    return "\n".join(lines + [_row(latency) for latency in latencies])


def _row(latency: Latency) -> str:
    cells = (
        f"{latency.device} ({latency.host})",
        f"{latency.runtime} {latency.version}",
        str(latency.threads),
        str(latency.batch),
        latency.precision,
        f"{latency.median_ms:.3g} ({latency.p10_ms:.3g} to {latency.p90_ms:.3g})",
        f"{latency.images_per_second:,.0f}",
    )
    return f"| {' | '.join(cells)} |"
