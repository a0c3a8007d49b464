"""Which point of a study a bundle is made from."""

import math
from collections.abc import Sequence

from gatefront.search.errors import NothingToPullError, StudyNotFoundError
from gatefront.search.results.best_point import best_of
from gatefront.search.results.formats import format_latency
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.spaces.budgets.budgets import Budgets, is_feasible


def choose_point(
    view: StudyView, *, flop_budget: int | None, latency_budget_ms: float | None = None, label: PointLabel | None
) -> TrialPoint:
    """The point asked for, else the best of all at or under the budget and fast enough.

    The best Δ_MTL: confirmed points count with their mean, others have to lie above a confirmed one's interval.

    A point asked for by its number may be slower than the study's own latency budget.

    Args:
        view: the study.
        flop_budget: FLOPs the network may cost; ``None`` means no cap.
        latency_budget_ms: what a forward pass may take, as the study measured it; ``None``: the study's own budget.
        label: a trial, or a point derived from one; the trial must be complete and, where a budget is given, the
            point keep to it.

    Raises:
        NothingToPullError: no point of a complete trial fits; the message names the smallest there is. Or latency has
            a budget and the study does not measure it.
        StudyNotFoundError: the study has no trial, or the trial no derived point, of that number.
    """
    if latency_budget_ms is not None and view.summary.latency is None:
        raise NothingToPullError(
            f"latency_budget is given, and study {view.summary.name!r} does not measure latency.",
            hint="Leave it out, or run the study with a [latency] table; `gatefront bench` times a finished bundle.",
        )
    if label is not None:
        return _asked_for(view, label, flop_budget, latency_budget_ms)
    complete = [point for point in view.all_points if _is_deployable(point)]
    if not complete:
        raise NothingToPullError(
            f"study {view.summary.name!r} has no finished trial: {_counts(view)}.",
            hint=f"Wait for the first one, or look at `gatefront status {view.summary.name}`.",
        )
    if latency_budget_ms is None and view.summary.latency is not None:
        latency_budget_ms = view.summary.latency.budget_ms
    budgets = Budgets(latency_ms=latency_budget_ms)
    fast = [point for point in complete if not budgets.exceeded_by(_flops(point), point.latency_ms)]
    best = best_of([point for point in fast if is_feasible(_flops(point), flop_budget)])
    if best is None:
        raise _nothing_fits(view, complete, flop_budget, latency_budget_ms)
    return best


def _nothing_fits(
    view: StudyView, complete: Sequence[TrialPoint], flop_budget: int | None, latency_budget_ms: float | None
) -> NothingToPullError:
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
    name = view.summary.name
    return NothingToPullError(
        f"no finished trial of study {name!r} under the FLOP budget keeps to the latency budget of "
        f"{format_latency(latency_budget_ms)}: the fastest, trial {fastest.label}, took "
        f"{format_latency(fastest.latency_ms)}.",
        hint=f"Take it with `gatefront pull {name} --trial {fastest.label}`, or search under a smaller flop_budget.",
    )


def _asked_for(
    view: StudyView, label: PointLabel, flop_budget: int | None, latency_budget_ms: float | None
) -> TrialPoint:
    name = view.summary.name
    trial = next((point for point in view.trials if point.number == label.number), None)
    if trial is None:
        raise StudyNotFoundError(
            f"study {name!r} has no trial {label.number}.",
            hint=f"It has {len(view.trials)}; `gatefront front {name}` lists.",
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
    if Budgets(latency_ms=latency_budget_ms).exceeded_by(_flops(point), point.latency_ms):
        raise NothingToPullError(
            f"trial {label} of study {name!r} took {format_latency(point.latency_ms)}, over the latency_budget of "
            f"{format_latency(latency_budget_ms)}.",
            hint="Leave one of the two out.",
        )
    return point


def _derived_point(view: StudyView, label: PointLabel) -> TrialPoint:
    points = (*view.derived, *view.repeats)
    derived = [point for point in points if point.derived and point.number == label.number]
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


def _counts(view: StudyView) -> str:
    counts = [f"{count} {state}" for state, count in view.summary.state_counts.items() if count]
    return ", ".join(counts) or "it has no trials at all"


def _floor(view: StudyView) -> str:
    return f"{view.summary.floor_flops:,}"
