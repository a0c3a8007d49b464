"""Which point of a study a bundle is made from."""

import math
from collections.abc import Sequence

from search.errors import NothingToPullError, StudyNotFoundError
from search.formats import format_latency
from search.pareto import best_under_budget, is_feasible
from search.point_label import PointLabel
from search.records import StudyView, TrialPoint, TrialState


def choose_point(view: StudyView, *, flop_budget: int | None, label: PointLabel | None) -> TrialPoint:
    """The point asked for, else the one with the best Δ_MTL among all at or under the budget and fast enough.

    A point asked for by its number may be slower than the study's latency budget.

    Args:
        view: the study.
        flop_budget: FLOPs the network may cost; ``None`` means no cap.
        label: a trial, or a point derived from one; the trial must be complete and, where a budget is given, the
            point keep to it.

    Raises:
        NothingToPullError: no point of a complete trial fits; the message names the smallest there is.
        StudyNotFoundError: the study has no trial, or the trial no derived point, of that number.
    """
    if label is not None:
        return _asked_for(view, label, flop_budget)
    complete = [point for point in view.all_points if _is_deployable(point)]
    if not complete:
        raise NothingToPullError(
            f"study {view.summary.name!r} has no finished trial: {_counts(view)}.",
            hint=f"Wait for the first one, or look at `gatefront status {view.summary.name}`.",
        )
    fast = [point for point in complete if "latency" not in point.exceeds]
    best = best_under_budget([(_delta(point), _flops(point)) for point in fast], flop_budget)
    if best is None:
        raise _nothing_fits(view, complete, flop_budget)
    return fast[best]


def _nothing_fits(view: StudyView, complete: Sequence[TrialPoint], flop_budget: int | None) -> NothingToPullError:
    """Names the cheapest of the networks, or the fastest of those that are cheap enough."""
    cheap = [point for point in complete if is_feasible(_flops(point), flop_budget)]
    if not cheap:
        smallest = min(complete, key=_flops)
        return NothingToPullError(
            f"no finished trial of study {view.summary.name!r} keeps to a flop_budget of {flop_budget:,} FLOPs: "
            f"the smallest, trial {smallest.label}, costs {_flops(smallest):,}.",
            hint=f"Ask for at least that, or run the study under a smaller budget (not under {_floor(view)}).",
        )
    fastest = min(cheap, key=lambda point: point.latency_ms or math.inf)
    name, rule = view.summary.name, view.summary.latency
    return NothingToPullError(
        f"no finished trial of study {name!r} under the FLOP budget keeps to its latency budget of "
        f"{format_latency(rule.budget_ms if rule else None)}: the fastest, trial {fastest.label}, took "
        f"{format_latency(fastest.latency_ms)}.",
        hint=f"Take it with `gatefront pull {name} --trial {fastest.label}`, or search under a smaller flop_budget.",
    )


def _asked_for(view: StudyView, label: PointLabel, flop_budget: int | None) -> TrialPoint:
    name = view.summary.name
    trial = next((point for point in view.points if point.number == label.number), None)
    if trial is None:
        raise StudyNotFoundError(
            f"study {name!r} has no trial {label.number}.",
            hint=f"It has {len(view.points)}; `gatefront front {name}` lists.",
        )
    if not _is_deployable(trial):
        cause = f" ({trial.cause})" if trial.cause else ""
        raise NothingToPullError(
            f"trial {label.number} of study {name!r} is {trial.state}{cause}: "
            "only a COMPLETE trial has a network to deploy."
        )
    point = _derived_point(view, label) if label.derived else trial
    if flop_budget is not None and _flops(point) > flop_budget:
        raise NothingToPullError(
            f"trial {label} of study {name!r} costs {_flops(point):,} FLOPs, over the flop_budget of {flop_budget:,}.",
            hint="Leave one of the two out.",
        )
    return point


def _derived_point(view: StudyView, label: PointLabel) -> TrialPoint:
    derived = [point for point in view.derived if point.number == label.number]
    found = next((point for point in derived if point.derived == label.derived), None)
    if found is None:
        known = ", ".join(point.label for point in derived) or "none"
        raise StudyNotFoundError(
            f"trial {label.number} of study {view.summary.name!r} has no derived point {label.derived}.",
            hint=f"Its derived points: {known}; `--trial {label.number}` is the trial's own.",
        )
    return found


def _is_deployable(point: TrialPoint) -> bool:
    return point.state is TrialState.COMPLETE and point.flops is not None and point.delta_mtl is not None


def _flops(point: TrialPoint) -> int:
    return point.flops or 0


def _delta(point: TrialPoint) -> float:
    return float("-inf") if point.delta_mtl is None else point.delta_mtl


def _counts(view: StudyView) -> str:
    counts = [f"{count} {state}" for state, count in view.summary.state_counts.items() if count]
    return ", ".join(counts) or "it has no trials at all"


def _floor(view: StudyView) -> str:
    return f"{view.summary.floor_flops:,}"
