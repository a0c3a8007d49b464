"""Choice of the point of a study that a bundle is made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gatefront.search.config.quantities import parse_flop_budget
from gatefront.search.errors import NothingToPullError, StudyNotFoundError
from gatefront.search.results.best_point import best_of
from gatefront.search.results.formats import format_latency
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudySummary, StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.spaces.budgets.budgets import Budgets, Exceeded, is_feasible


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Request of a person: FLOPs as written, milliseconds, or one point by its label. None leaves a value open."""

    flop_budget: str | None = None
    latency_budget_ms: float | None = None
    trial: PointLabel | None = None

    def budgets(self, summary: StudySummary) -> Budgets:
        """Return the budgets of the network: those asked for, else the study's own.

        The study's own budgets do not bind a trial that is named.

        Raises:
            StudyFileError: the FLOP budget cannot be read.
        """
        own = Budgets() if self.trial is not None else summary.budgets
        if self.flop_budget is not None:
            own = replace(own, flops=parse_flop_budget(self.flop_budget).resolve(summary.single_task_flops))
        return own if self.latency_budget_ms is None else replace(own, latency_ms=self.latency_budget_ms)


def choose_point(view: StudyView, *, budgets: Budgets, label: PointLabel | None) -> TrialPoint:
    """Return the point asked for, else the best of all that keep to the budgets.

    The best point has the best Δ_MTL. A confirmed point counts with its mean. An unconfirmed one must reach the upper
    end of the best confirmed one's interval.

    Args:
        view: the study.
        budgets: the most that the network may cost. Latency is that which the study measured.
        label: a trial, or a point derived from one. The trial must be complete and the point keep to the budgets.

    Raises:
        NothingToPullError: no point of a complete trial fits, and the message names the cheapest or the fastest. It is
            also raised if latency has a budget and the study does not measure it.
        StudyNotFoundError: the study has no trial, or the trial no derived point, of that number.
    """
    if budgets.latency_ms is not None and view.summary.latency is None:
        raise NothingToPullError(
            f"latency_budget is given, and study {view.summary.name!r} does not measure latency.",
            hint="Leave it out, or run the study with a [latency] table; `gatefront bench` times a finished bundle.",
        )
    if label is not None:
        return _asked_for(view, label, budgets)
    complete = [point for point in view.all_points if _is_deployable(point)]
    if not complete:
        raise NothingToPullError(
            f"study {view.summary.name!r} has no finished trial: {_counts(view)}.",
            hint=f"Wait for the first one, or look at `gatefront status {view.summary.name}`.",
        )
    best = best_of([point for point in complete if not _exceeded(budgets, point)])
    if best is None:
        raise _nothing_fits(view, complete, budgets)
    return best


def _nothing_fits(view: StudyView, complete: Sequence[TrialPoint], budgets: Budgets) -> NothingToPullError:
    """Return an error that names the cheapest network, or the fastest of those that are cheap enough."""
    cheap = [point for point in complete if is_feasible(_flops(point), budgets.flops)]
    if not cheap:
        smallest = min(complete, key=_flops)
        return NothingToPullError(
            f"no finished trial of study {view.summary.name!r} keeps to a flop_budget of {budgets.flops:,} FLOPs: "
            f"the smallest, trial {smallest.label}, costs {_flops(smallest):,}.",
            hint=f"Ask for at least that, or run the study under a smaller budget (not under {_floor(view)}).",
        )
    fastest = min(cheap, key=lambda point: point.latency_ms or math.inf)
    name = view.summary.name
    return NothingToPullError(
        f"no finished trial of study {name!r} under the FLOP budget keeps to the latency budget of "
        f"{format_latency(budgets.latency_ms)}: the fastest, trial {fastest.label}, took "
        f"{format_latency(fastest.latency_ms)}.",
        hint=f"Take it with `gatefront pull {name} --trial {fastest.label}`, or search under a smaller flop_budget.",
    )


def _asked_for(view: StudyView, label: PointLabel, budgets: Budgets) -> TrialPoint:
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
    over = _exceeded(budgets, point)
    if "flops" in over:
        raise NothingToPullError(
            f"trial {label} of study {name!r} costs {_flops(point):,} FLOPs, over the flop_budget of "
            f"{budgets.flops:,}.",
            hint="Leave one of the two out.",
        )
    if over:
        raise NothingToPullError(
            f"trial {label} of study {name!r} took {format_latency(point.latency_ms)}, over the latency_budget of "
            f"{format_latency(budgets.latency_ms)}.",
            hint="Leave one of the two out.",
        )
    return point


def _derived_point(view: StudyView, label: PointLabel) -> TrialPoint:
    points = (*view.derived, *view.replicates)
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


def _exceeded(budgets: Budgets, point: TrialPoint) -> Sequence[Exceeded]:
    return budgets.exceeded_by(_flops(point), point.latency_ms)


def _flops(point: TrialPoint) -> int:
    return point.flops or 0


def _counts(view: StudyView) -> str:
    counts = [f"{count} {state}" for state, count in view.summary.state_counts.items() if count]
    return ", ".join(counts) or "it has no trials at all"


def _floor(view: StudyView) -> str:
    return f"{view.summary.floor_flops:,}"
