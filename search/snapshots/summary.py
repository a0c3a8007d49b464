"""Summary of a study: its progress, its results and its cost."""

from collections import Counter
from collections.abc import Sequence

from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.best_point import best_point
from gatefront.search.results.cost import GPUS_HELD
from gatefront.search.results.records import HypervolumePoint, StudySummary, TaskRecord, TrialPoint
from gatefront.search.results.states import DONE_STATES, StudyState, TrialState
from gatefront.search.snapshots.study_rows import StudyRows

_ENDED_WELL = (TrialState.COMPLETE, TrialState.STOPPED_EARLY)


def study_summary(
    rows: StudyRows,
    points: Sequence[TrialPoint],
    history: Sequence[HypervolumePoint],
    state: StudyState,
) -> StudySummary:
    """Return the summary of a study. ``points`` are its trials and the points derived from them, no replicates."""
    row = rows.row
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
        seconds_spent=_trial_seconds(rows) + _reference_seconds(rows),
        eta_seconds=_eta_seconds(rows) if state is StudyState.RUNNING else None,
        data=row.data,
        backbone=row.backbone,
        storage_dir=row.storage_dir,
        param_budget_text=row.param_budget_text,
        latency=None if row.latency is None else LatencyRule(**row.latency),
        started_from=row.started_from,
        reference_seconds=_reference_seconds(rows),
        gpus_per_worker=_gpus_per_worker(rows),
        num_workers=row.num_workers,
        hypervolume_band=history[-1].band if history else None,
        heartbeat_at=row.heartbeat_at,
        driver_since=row.driver_since,
        max_hours=row.max_hours,
        is_kept=row.is_kept,
    )


def _trial_seconds(rows: StudyRows) -> float:
    """Return the seconds of all trials, with derived points and the epochs of unfinished trials."""
    ended = sum(trial.seconds or 0.0 for trial in rows.trials)
    ended += sum(network.seconds for network in rows.networks.values() if network.derived)
    return ended + rows.unfinished_seconds


def _reference_seconds(rows: StudyRows) -> float:
    """Return the training seconds of the references that were not in the cache."""
    return sum(0.0 if row.result["from_cache"] else row.result["seconds"] for row in rows.references)


def _gpus_per_worker(rows: StudyRows) -> float:
    """Return the GPU share of the latest trial with a result, 0 if it names none. Workers may change on resume."""
    said = (trial.environment for trial in reversed(rows.trials) if trial.environment is not None)
    return float(next(said, {}).get(GPUS_HELD, 0.0))


def _eta_seconds(rows: StudyRows) -> float | None:
    """Return the mean duration of trials that ended well, times those left, divided by the workers.

    The mean includes trials that were stopped early, as about the same share of later trials will be. The result is
    None until a trial is complete.
    """
    known: dict[int, float] = {}
    is_any_complete, left = False, float(rows.row.num_trials)
    for trial in rows.trials:
        if trial.seconds is not None and trial.state in _ENDED_WELL:
            known[trial.number] = trial.seconds
            is_any_complete = is_any_complete or trial.state is TrialState.COMPLETE
        if trial.number in rows.confirms:
            continue
        if trial.state in DONE_STATES:
            left -= 1
        elif trial.state is TrialState.RUNNING and trial.num_epochs:
            left -= trial.epoch / trial.num_epochs
    if not is_any_complete:
        return None
    derived = (network.seconds for network in rows.networks.values() if network.derived and network.number in known)
    spent = sum(known.values()) + sum(derived)
    return max(0.0, left) * (spent / len(known)) / max(1, rows.row.num_workers)
