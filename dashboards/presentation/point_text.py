"""Words about a point: its name, its place, and its requested and delivered cost."""

from gatefront.search.results.formats import format_delta, format_flops, format_names
from gatefront.search.results.records import StudyView, TrialPoint


def point_name(point: TrialPoint) -> str:
    """Return the point's name: ``Trial 7`` or ``Trial 7, derived point 2``."""
    return f"Trial {point.number}" + (f", derived point {point.derived}" if point.derived else "")


def place(point: TrialPoint) -> str:
    """Return a complete point's place: ``on the front``, ``dominated``, or the budgets that it exceeds.

    A replicate has no place of its own, whatever its values: ``another seed of trial 7``.
    """
    if point.confirms is not None:
        return f"another seed of trial {point.confirms}"
    if point.on_front:
        return "on the front"
    if point.is_feasible:
        return "dominated"
    if "latency" not in point.exceeds:
        return "over budget"
    return "over budget, too slow" if "flops" in point.exceeds else "too slow"


def asked_and_delivered(point: TrialPoint, view: StudyView) -> str:
    """Return ``asked 60.00 MFLOPs, delivered 59.70 MFLOPs``, or the cost alone if nothing bounds it."""
    requested = point.requested(view.summary.flop_budget)
    delivered = format_flops(point.flops)
    return delivered if requested is None else f"asked {format_flops(requested)}, delivered {delivered}"


def expected_delta(point: TrialPoint) -> str:
    """Return ``−1.60 ± 0.42 %``: the mean of the replicates and its interval, or the measured value without any."""
    return format_delta(point.expected_delta_mtl, point.half_width)


def sureness(point: TrialPoint) -> str | None:
    """Return what replicates show of a point, in a few words, or None if it has none."""
    if point.confirmation is None:
        return None
    tied = f", tied with {format_names(point.tied_with)}" if point.tied_with else ""
    return f"mean of {point.confirmation.seeds} other seeds {expected_delta(point)}{tied}"
