"""A point in words: its name, its place, and what was asked of it beside what it delivers."""

from dashboards.formats import format_flops
from search.records import StudyView, TrialPoint


def point_name(point: TrialPoint) -> str:
    """``Trial 7`` or ``Trial 7, derived point 2``."""
    return f"Trial {point.number}" + (f", derived point {point.derived}" if point.derived else "")


def place(point: TrialPoint) -> str:
    """A complete point's place: ``on the front``, ``dominated``, or what it exceeds: FLOPs, latency or both."""
    if point.on_front:
        return "on the front"
    if point.is_feasible:
        return "dominated"
    if "latency" not in point.exceeds:
        return "over budget"
    return "over budget, too slow" if "flops" in point.exceeds else "too slow"


def asked_and_delivered(point: TrialPoint, view: StudyView) -> str:
    """``asked 60.00 MFLOPs, delivered 59.70 MFLOPs``; the cost alone where nothing bounds it."""
    requested = point.requested(view.summary.flop_budget)
    delivered = format_flops(point.flops)
    return delivered if requested is None else f"asked {format_flops(requested)}, delivered {delivered}"
