"""From rows to the records that views show. Pure: no SQL, no clock but the one handed in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from search.pareto import Point, ReferenceFrame, best_under_budget, hypervolume_history, is_feasible, pareto_front
from search.records import (
    HypervolumePoint,
    ReferencePoint,
    StudyState,
    StudySummary,
    StudyView,
    TaskRecord,
    TrialPoint,
    TrialState,
)
from search.storage.lease import holds
from search.storage.repository import DONE_STATES
from search.storage.schema import ReferenceRow, StudyRow

_DRIVEN = (StudyState.PREPARING, StudyState.RUNNING, StudyState.STOPPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """One trial as read: our row's columns beside Optuna's parameters and values."""

    number: int
    state: TrialState
    cause: str
    epoch: int
    num_epochs: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    result: Mapping[str, Any] | None
    params: Mapping[str, Any]
    values: Point | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """Everything of one study that one read brings."""

    row: StudyRow
    trials: Sequence[TrialFacts]
    references: Sequence[ReferenceRow]


def study_view(facts: StudyFacts, now: datetime) -> StudyView:
    """The whole study page as one record."""
    state = study_state(facts.row, now)
    references = reference_points(facts)
    frame = reference_frame(facts.row, references)
    points = trial_points(facts, state)
    history = hypervolume_points(points, frame)
    return StudyView(
        revision=revision(facts.row, now),
        summary=_summary(facts, points, history, state),
        points=points,
        references=references,
        hypervolume=history,
    )


def revision(row: StudyRow, now: datetime) -> str:
    """Changes with every write, and when the driver falls silent without one."""
    return f"{row.revision}-{study_state(row, now)}"


def study_state(row: StudyRow, now: datetime) -> StudyState:
    """The stored state, seen in the light of the driver's heartbeat."""
    state = StudyState(row.state)
    if state not in _DRIVEN:
        return state
    if not holds(row, now):
        return StudyState.LOST
    return StudyState.STOPPING if row.stop_requested else state


def trial_points(facts: StudyFacts, study: StudyState) -> tuple[TrialPoint, ...]:
    """Every trial, in order of its number, with its place on the front."""
    budget = facts.row.flop_budget
    valued = {trial.number: trial.values for trial in facts.trials if _counts(trial) and trial.values is not None}
    feasible = [number for number, values in valued.items() if is_feasible(values[1], budget)]
    front = dict(zip(feasible, pareto_front([valued[number] for number in feasible]), strict=True))
    return tuple(
        _trial_point(trial, study, on_front=front.get(trial.number, False), feasible=trial.number in front)
        for trial in facts.trials
    )


def reference_points(facts: StudyFacts) -> tuple[ReferencePoint, ...]:
    """The baselines that are trained so far; the single-task one names the metrics of the tasks that are ready."""
    rows = [row for row in facts.references if row.is_baseline]
    single = [row.result for row in rows if row.kind == "single_task"]
    found: list[ReferencePoint] = []
    if single:
        found.append(
            ReferencePoint(
                kind="single_task",
                flops=facts.row.single_task_flops,
                delta_mtl=0.0,
                metrics={task: value for result in single for task, value in result["metrics"].items()},
                num_parameters=sum(result["num_parameters"] for result in single),
                seconds=sum(result["seconds"] for result in single),
            )
        )
    for row in rows:
        if row.kind == "hard_sharing" and row.delta_mtl is not None:
            result = row.result
            found.append(
                ReferencePoint(
                    kind="hard_sharing",
                    flops=result["flops"],
                    delta_mtl=row.delta_mtl,
                    metrics=result["metrics"],
                    num_parameters=result["num_parameters"],
                    seconds=result["seconds"],
                )
            )
    return tuple(found)


def reference_frame(row: StudyRow, references: Sequence[ReferencePoint]) -> ReferenceFrame | None:
    """What the hypervolume is measured against; None until hard sharing is trained."""
    for point in references:
        if point.kind == "hard_sharing":
            flops = row.single_task_flops if row.flop_budget is None else row.flop_budget
            return ReferenceFrame(single_task_flops=row.single_task_flops, flops=flops, delta_mtl=point.delta_mtl)
    return None


def hypervolume_points(points: Sequence[TrialPoint], frame: ReferenceFrame | None) -> tuple[HypervolumePoint, ...]:
    """The hypervolume of the feasible front after each complete trial, in finishing order."""
    finished = [(point.finished_at, point) for point in points if point.is_feasible and point.finished_at is not None]
    if frame is None or not finished:
        return ()
    finished.sort(key=lambda pair: (pair[0], pair[1].number))
    values = [(point.delta_mtl, point.flops) for _, point in finished]
    history = hypervolume_history([(d, f) for d, f in values if d is not None and f is not None], frame)
    return tuple(
        HypervolumePoint(num_complete=position + 1, trial=point.number, finished_at=at, hypervolume=value)
        for position, ((at, point), value) in enumerate(zip(finished, history, strict=True))
    )


def _counts(trial: TrialFacts) -> bool:
    # An early-stopped or voided trial may have values; they are not full-fidelity ones.
    return trial.state is TrialState.COMPLETE and trial.values is not None


def _trial_point(trial: TrialFacts, study: StudyState, *, on_front: bool, feasible: bool) -> TrialPoint:
    lost = study is StudyState.LOST and trial.state is TrialState.RUNNING
    values = trial.values if _counts(trial) else None
    result = trial.result or {}
    return TrialPoint(
        number=trial.number,
        state=TrialState.LOST if lost else trial.state,
        cause=trial.cause,
        delta_mtl=None if values is None else values[0],
        flops=None if values is None else values[1],
        num_parameters=result.get("num_parameters"),
        metrics=result.get("metrics", {}),
        params=trial.params,
        on_front=on_front,
        is_feasible=feasible,
        epoch=trial.epoch,
        num_epochs=trial.num_epochs,
        started_at=trial.started_at,
        finished_at=trial.finished_at,
        seconds=trial.seconds,
    )


def _summary(
    facts: StudyFacts, points: Sequence[TrialPoint], history: Sequence[HypervolumePoint], state: StudyState
) -> StudySummary:
    row = facts.row
    complete = [point for point in points if point.delta_mtl is not None and point.flops is not None]
    best = best_under_budget([(p.delta_mtl or 0.0, p.flops or 0) for p in complete], row.flop_budget)
    return StudySummary(
        name=row.name,
        state=state,
        message=row.message,
        created_at=row.created_at,
        num_trials=row.num_trials,
        state_counts=dict(Counter(point.state for point in points)),
        flop_budget=row.flop_budget,
        flop_budget_text=row.flop_budget_text,
        single_task_flops=row.single_task_flops,
        floor_flops=row.floor_flops,
        tasks=tuple(TaskRecord(**task) for task in row.tasks),
        best_trial=None if best is None else complete[best].number,
        best_delta_mtl=None if best is None else complete[best].delta_mtl,
        hypervolume=history[-1].hypervolume if history else None,
        seconds_spent=sum(point.seconds or 0.0 for point in points)
        + sum(0.0 if reference.result["from_cache"] else reference.result["seconds"] for reference in facts.references),
        eta_seconds=_eta_seconds(row, points) if state is StudyState.RUNNING else None,
        data=row.data,
        backbone=row.backbone,
        storage_dir=row.storage_dir,
    )


def _eta_seconds(row: StudyRow, points: Sequence[TrialPoint]) -> float | None:
    """Mean duration of complete trials times the epochs still to train, spread over the workers."""
    durations = [p.seconds for p in points if p.state is TrialState.COMPLETE and p.seconds is not None]
    if not durations:
        return None
    done = sum(point.state in DONE_STATES for point in points)
    under_way = sum(p.epoch / p.num_epochs for p in points if p.state is TrialState.RUNNING and p.num_epochs)
    left = max(0.0, row.num_trials - done - under_way)
    return left * (sum(durations) / len(durations)) / max(1, row.num_workers)
