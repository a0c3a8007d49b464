"""A point in words: its name, its place, and what was asked of it beside what it delivers."""

from gatefront.search.results.formats import format_delta, format_flops, format_names
from gatefront.search.results.records import StudyView, TrialPoint


def point_name(point: TrialPoint) -> str:
    """``Trial 7`` or ``Trial 7, derived point 2``."""
    return f"Trial {point.number}" + (f", derived point {point.derived}" if point.derived else "")


def place(point: TrialPoint) -> str:
    """A complete point's place: ``on the front``, ``dominated``, or what it exceeds: FLOPs, latency or both.

    A repeat has none of its own, whatever it reached: ``another seed of trial 7``.
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
    """``asked 60.00 MFLOPs, delivered 59.70 MFLOPs``; the cost alone where nothing bounds it."""
    requested = point.requested(view.summary.flop_budget)
    delivered = format_flops(point.flops)
    return delivered if requested is None else f"asked {format_flops(requested)}, delivered {delivered}"


def expected_delta(point: TrialPoint) -> str:
    """``−1.60 ± 0.42 %``: the mean over other seeds and its interval; without repeats what was measured."""
    return format_delta(point.expected_delta_mtl, point.half_width)


def sureness(point: TrialPoint) -> str | None:
    """What repeats say of a point, in a few words; None where it was not repeated."""
    if point.confirmation is None:
        return None
    tied = f", tied with {format_names(point.tied_with)}" if point.tied_with else ""
    return f"mean of {point.confirmation.seeds} other seeds {expected_delta(point)}{tied}"
