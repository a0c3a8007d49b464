"""Which trial of a study a bundle is made from."""

from search.errors import NothingToPullError, StudyNotFoundError
from search.records import StudyView, TrialPoint, TrialState


def choose_trial(view: StudyView, *, flop_budget: int | None, trial: int | None) -> TrialPoint:
    """The trial asked for, else the one with the best Δ_MTL among the complete ones at or under the budget.

    Args:
        view: the study.
        flop_budget: FLOPs the network may cost; ``None`` means no cap.
        trial: a trial number; it must be complete and, where a budget is given, keep to it.

    Raises:
        NothingToPullError: no complete trial fits; the message names the smallest there is.
        StudyNotFoundError: the study has no trial of that number.
    """
    if trial is not None:
        return _asked_for(view, trial, flop_budget)
    complete = [point for point in view.points if _is_deployable(point)]
    if not complete:
        raise NothingToPullError(
            f"study {view.summary.name!r} has no finished trial: {_counts(view)}.",
            hint=f"Wait for the first one, or look at `gatefront status {view.summary.name}`.",
        )
    fitting = [point for point in complete if flop_budget is None or _flops(point) <= flop_budget]
    if not fitting:
        smallest = min(complete, key=_flops)
        raise NothingToPullError(
            f"no finished trial of study {view.summary.name!r} keeps to a flop_budget of {flop_budget:,} FLOPs: "
            f"the smallest, trial {smallest.number}, costs {_flops(smallest):,}.",
            hint=f"Ask for at least that, or run the study under a smaller budget (not under {_floor(view)}).",
        )
    # Equal Δ_MTL: the cheaper one, then the earlier one, so that the choice never depends on the order of rows.
    return max(fitting, key=lambda point: (_delta(point), -_flops(point), -point.number))


def _asked_for(view: StudyView, trial: int, flop_budget: int | None) -> TrialPoint:
    name = view.summary.name
    point = next((point for point in view.points if point.number == trial), None)
    if point is None:
        raise StudyNotFoundError(
            f"study {name!r} has no trial {trial}.", hint=f"It has {len(view.points)}; `gatefront front {name}` lists."
        )
    if not _is_deployable(point):
        cause = f" ({point.cause})" if point.cause else ""
        raise NothingToPullError(
            f"trial {trial} of study {name!r} is {point.state}{cause}: only a COMPLETE trial has a network to deploy."
        )
    if flop_budget is not None and _flops(point) > flop_budget:
        raise NothingToPullError(
            f"trial {trial} of study {name!r} costs {_flops(point):,} FLOPs, over the flop_budget of {flop_budget:,}.",
            hint="Leave one of the two out.",
        )
    return point


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
