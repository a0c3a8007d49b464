"""From rows to the records that views show. Pure: no SQL, no clock but the one handed in."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from search.facts import DerivedFacts, Key, StudyFacts, TrialFacts
from search.latency_rule import LatencyRule
from search.pareto import Budgets, Exceeded, ReferenceFrame, hypervolume_history, pareto_front
from search.records import (
    HypervolumePoint,
    ReferencePoint,
    StudyState,
    StudySummary,
    StudyView,
    TrialPoint,
    TrialState,
)
from search.storage.lease import holds
from search.storage.schema import StudyRow
from search.summary import study_summary

_DRIVEN = (StudyState.PREPARING, StudyState.RUNNING, StudyState.STOPPING)


@dataclass(frozen=True, slots=True)
class ViewPoints:
    """All points of a study in order: the trials, and the points derived from those that count."""

    trials: tuple[TrialPoint, ...]
    derived: tuple[TrialPoint, ...]


def study_view(facts: StudyFacts, now: datetime) -> StudyView:
    """The whole study page as one record."""
    state = study_state(facts.row, now)
    references = reference_points(facts)
    frame = reference_frame(facts.row, references)
    points = view_points(facts, state)
    every_point = points.trials + points.derived
    history = hypervolume_points(every_point, frame)
    return StudyView(
        revision=revision(facts.row, now),
        summary=study_summary(facts, every_point, history, state),
        points=points.trials,
        references=references,
        hypervolume=history,
        derived=points.derived,
        events=facts.events,
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


def view_points(facts: StudyFacts, study: StudyState) -> ViewPoints:
    """Every trial in order of its number and every derived point that counts, with their places on the front."""
    places = _places(facts)
    trials = {trial.number: _trial_point(trial, facts, study, places) for trial in facts.trials}
    derived = (
        _derived_point(point, trials[point.number], facts, places)
        for point in facts.derived
        if (point.number, point.derived) in facts.values
    )
    return ViewPoints(tuple(trials.values()), tuple(derived))


class _Place(NamedTuple):
    is_feasible: bool
    on_front: bool
    exceeds: tuple[Exceeded, ...]


_NOWHERE = _Place(is_feasible=False, on_front=False, exceeds=())


def _places(facts: StudyFacts) -> dict[Key, _Place]:
    """Where each point that counts stands: the front is that of the points that keep every budget."""
    latency = facts.row.latency
    budgets = Budgets(flops=facts.row.flop_budget, latency_ms=None if latency is None else latency["budget_ms"])
    exceeded = {key: budgets.exceeded_by(flops, facts.latencies.get(key)) for key, (_, flops) in facts.values.items()}
    feasible = [key for key, over in exceeded.items() if not over]
    front = dict(zip(feasible, pareto_front(_objectives(facts, feasible)), strict=True))
    return {key: _Place(not over, front.get(key, False), over) for key, over in exceeded.items()}


def _objectives(facts: StudyFacts, keys: Sequence[Key]) -> list[tuple[float, ...]]:
    """What points are compared by. One that nobody timed counts as the slowest of all."""
    latency = facts.row.latency
    if latency is None or not LatencyRule(**latency).is_objective:
        return [facts.values[key] for key in keys]
    return [(*facts.values[key], facts.latencies.get(key, math.inf)) for key in keys]


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


def reference_frame(study: StudyRow | StudySummary, references: Sequence[ReferencePoint]) -> ReferenceFrame | None:
    """What the hypervolume is measured against; None until hard sharing is trained."""
    for point in references:
        if point.kind == "hard_sharing":
            flops = study.single_task_flops if study.flop_budget is None else study.flop_budget
            return ReferenceFrame(single_task_flops=study.single_task_flops, flops=flops, delta_mtl=point.delta_mtl)
    return None


def hypervolume_points(points: Iterable[TrialPoint], frame: ReferenceFrame | None) -> tuple[HypervolumePoint, ...]:
    """The hypervolume of the feasible front after each complete trial with its derived points, in finishing order."""
    finished = [point for point in points if point.is_feasible and point.finished_at is not None]
    if frame is None or not finished:
        return ()
    finished.sort(key=attrgetter("finished_at", "number", "derived"))
    values = [(p.delta_mtl, p.flops) for p in finished if p.delta_mtl is not None and p.flops is not None]
    # Of the several points of a trial the last one tells what the trial has brought.
    after = {p.number: (p.finished_at, v) for p, v in zip(finished, hypervolume_history(values, frame), strict=True)}
    return tuple(
        HypervolumePoint(num_complete=position, trial=number, finished_at=at, hypervolume=value)
        for position, (number, (at, value)) in enumerate(after.items(), start=1)
        if at is not None
    )


def _trial_point(trial: TrialFacts, facts: StudyFacts, study: StudyState, places: Mapping[Key, _Place]) -> TrialPoint:
    lost = study is StudyState.LOST and trial.state is TrialState.RUNNING
    key = (trial.number, 0)
    place = places.get(key, _NOWHERE)
    delta_mtl, flops = facts.values.get(key, (None, None))
    return TrialPoint(
        number=trial.number,
        state=TrialState.LOST if lost else trial.state,
        cause=trial.cause,
        delta_mtl=delta_mtl,
        flops=flops,
        flop_target=trial.result.get("flop_target"),
        num_parameters=trial.result.get("num_parameters"),
        metrics=trial.result.get("metrics", {}),
        params=trial.params,
        on_front=place.on_front,
        is_feasible=place.is_feasible,
        epoch=trial.epoch,
        num_epochs=trial.num_epochs,
        started_at=trial.started_at,
        finished_at=trial.finished_at,
        seconds=trial.seconds,
        latency_ms=facts.latencies.get(key),
        exceeds=place.exceeds,
    )


def _derived_point(
    point: DerivedFacts, trial: TrialPoint, facts: StudyFacts, places: Mapping[Key, _Place]
) -> TrialPoint:
    key = (point.number, point.derived)
    place = places.get(key, _NOWHERE)
    return TrialPoint(
        number=point.number,
        derived=point.derived,
        state=trial.state,
        cause=trial.cause,
        delta_mtl=point.delta_mtl,
        flops=point.flops,
        flop_target=point.flop_target,
        num_parameters=point.num_parameters,
        metrics=point.metrics,
        params=trial.params,
        on_front=place.on_front,
        is_feasible=place.is_feasible,
        epoch=trial.epoch,
        num_epochs=trial.num_epochs,
        started_at=trial.started_at,
        finished_at=trial.finished_at,
        seconds=point.seconds,
        latency_ms=facts.latencies.get(key),
        exceeds=place.exceeds,
    )
