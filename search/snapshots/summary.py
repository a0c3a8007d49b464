"""A study in one line: how far it is, what it has found, what it cost."""

from collections import Counter
from collections.abc import Iterable, Sequence

from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.cost import GPUS_HELD
from gatefront.search.results.pareto import best_under_budget
from gatefront.search.results.records import (
    HypervolumePoint,
    StudyState,
    StudySummary,
    TaskRecord,
    TrialPoint,
    TrialState,
)
from gatefront.search.snapshots.study_rows import StudyFacts
from gatefront.search.storage.study_store import DONE_STATES

_ENDED_WELL = (TrialState.COMPLETE, TrialState.STOPPED_EARLY)


def study_summary(
    facts: StudyFacts,
    points: Sequence[TrialPoint],
    history: Sequence[HypervolumePoint],
    state: StudyState,
) -> StudySummary:
    """The line of a study in a list. ``points`` are the trials and the points derived from them, no repeats."""
    row = facts.row
    best = best_point(points)
    return StudySummary(
        name=row.name,
        state=state,
        message=row.message,
        created_at=row.created_at,
        num_trials=row.num_trials,
        state_counts=dict(Counter(point.state for point in points if not point.derived)),
        flop_budget=row.flop_budget,
        flop_budget_text=row.flop_budget_text,
        single_task_flops=row.single_task_flops,
        floor_flops=row.floor_flops,
        tasks=tuple(TaskRecord(**task) for task in row.tasks),
        best_trial=None if best is None else best.number,
        best_label=None if best is None else best.label,
        best_delta_mtl=None if best is None else best.expected_delta_mtl,
        hypervolume=history[-1].hypervolume if history else None,
        seconds_spent=_trial_seconds(facts) + _reference_seconds(facts),
        eta_seconds=_eta_seconds(facts) if state is StudyState.RUNNING else None,
        data=row.data,
        backbone=row.backbone,
        storage_dir=row.storage_dir,
        param_budget_text=row.param_budget_text,
        latency=None if row.latency is None else LatencyRule(**row.latency),
        started_from=row.started_from,
        reference_seconds=_reference_seconds(facts),
        gpus_per_worker=_gpus_per_worker(facts),
        num_workers=row.num_workers,
        hypervolume_band=history[-1].band if history else None,
        heartbeat_at=row.heartbeat_at,
        driver_since=row.driver_since,
        max_hours=row.max_hours,
        is_kept=row.is_kept,
    )


def best_point(points: Iterable[TrialPoint]) -> TrialPoint | None:
    """The feasible point with the best Δ_MTL, the cheaper one of equals, then the earlier in ``points``.

    It is on the front, or it was confirmed: another point is not worth a look.
    """
    return best_of([point for point in points if point.is_feasible and (point.on_front or point.confirmation)])


def best_of(points: Sequence[TrialPoint]) -> TrialPoint | None:
    """The point to take, if all keep to what is asked.

    The best Δ_MTL, by its mean where a point is confirmed. One that is not confirmed must lie above the interval of the
    best confirmed one: what it has measured once may be luck by as much.
    """
    best = _highest(points)
    confirmed = _highest([point for point in points if point.confirmation is not None])
    if best is None or confirmed is None or confirmed.confirmation is None or best.confirmation is not None:
        return best
    return best if (best.delta_mtl or 0.0) >= confirmed.confirmation.high else confirmed


def _highest(points: Sequence[TrialPoint]) -> TrialPoint | None:
    best = best_under_budget([(point.expected_delta_mtl or 0.0, point.flops or 0) for point in points], None)
    return None if best is None else points[best]


def _trial_seconds(facts: StudyFacts) -> float:
    """Of all trials, with their derived points and the epochs of those that are not done."""
    ended = sum(trial.seconds or 0.0 for trial in facts.trials) + sum(point.seconds for point in facts.derived)
    return ended + facts.unfinished_seconds


def _reference_seconds(facts: StudyFacts) -> float:
    """Of the references that were not there before."""
    return sum(0.0 if row.result["from_cache"] else row.result["seconds"] for row in facts.references)


def _gpus_per_worker(facts: StudyFacts) -> float:
    """As the latest trial with a result had it: a resumed study may have other workers. One that says nothing: none."""
    said = (trial.result["environment"] for trial in reversed(facts.trials) if "environment" in trial.result)
    environment = next(said, None)
    return 0.0 if environment is None else float(environment.get(GPUS_HELD, 0.0))


def _eta_seconds(facts: StudyFacts) -> float | None:
    """Mean duration of the trials that ended well times those still to run, spread over the workers.

    Trials stopped early count with the little they took: about as many of those to come will be.
    """
    known: dict[int, float] = {}
    is_any_complete, left = False, float(facts.row.num_trials)
    for trial in facts.trials:
        if trial.seconds is not None and trial.state in _ENDED_WELL:
            known[trial.number] = trial.seconds
            is_any_complete = is_any_complete or trial.state is TrialState.COMPLETE
        if trial.number in facts.confirms:
            continue
        if trial.state in DONE_STATES:
            left -= 1
        elif trial.state is TrialState.RUNNING and trial.num_epochs:
            left -= trial.epoch / trial.num_epochs
    if not is_any_complete:
        return None
    spent = sum(known.values()) + sum(point.seconds for point in facts.derived if point.number in known)
    return max(0.0, left) * (spent / len(known)) / max(1, facts.row.num_workers)
