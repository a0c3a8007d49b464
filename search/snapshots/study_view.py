"""Conversion of rows to the records that views show. Pure functions: no SQL, and the time is an argument."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gatefront.search.results.confirmation import Key, confirmation
from gatefront.search.results.hypervolume import hypervolume_points
from gatefront.search.results.pareto import ReferenceFrame
from gatefront.search.results.records import HypervolumePoint, StudySummary, StudyView, TrialPoint
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.results.states import DRIVEN_STATES, StudyState, TrialState
from gatefront.search.snapshots.front_membership import NOWHERE, FrontStatus, front_statuses
from gatefront.search.snapshots.study_rows import RawTrial, StudyRows
from gatefront.search.snapshots.summary import study_summary
from gatefront.search.storage.lease import holds
from gatefront.search.storage.tables.schema import StudyRow


@dataclass(frozen=True, slots=True)
class ViewPoints:
    """All points of a study in order: the trials, the points derived from those that count, and all replicates."""

    trials: tuple[TrialPoint, ...]
    derived: tuple[TrialPoint, ...]
    replicates: tuple[TrialPoint, ...]


def study_view(rows: StudyRows, now: datetime) -> StudyView:
    """Return the whole study page as one record."""
    points = view_points(rows, study_state(rows.row, now))
    frame = reference_frame(rows.row, reference_points(rows))
    return assembled_view(rows, points, hypervolume_points(points.trials + points.derived, frame), now)


def assembled_view(
    rows: StudyRows, points: ViewPoints, history: tuple[HypervolumePoint, ...], now: datetime
) -> StudyView:
    """Return the study page from points and a hypervolume history that are known already."""
    state = study_state(rows.row, now)
    return StudyView(
        revision=revision(rows.row, now),
        summary=study_summary(rows, points.trials + points.derived, history, state),
        points=points.trials,
        references=reference_points(rows),
        hypervolume=history,
        derived=points.derived,
        events=rows.events,
        replicates=points.replicates,
    )


def revision(row: StudyRow, now: datetime) -> str:
    """Return a token that changes with every write, and when the driver is lost without one."""
    return f"{row.revision}-{study_state(row, now)}"


def study_state(row: StudyRow, now: datetime) -> StudyState:
    """Return the study's state from the stored one, the driver's heartbeat and the stop request."""
    state = StudyState(row.state)
    if state not in DRIVEN_STATES:
        return state
    if not holds(row, now):
        return StudyState.LOST
    return StudyState.STOPPING if row.stop_requested else state


def view_points(rows: StudyRows, study: StudyState) -> ViewPoints:
    """Return every trial and every derived point that counts, with their front status."""
    found = front_statuses(rows)
    trials = {trial.number: trial for trial in rows.trials}
    keys = {(number, 0) for number in trials} | rows.values.keys()
    return ordered_points(trial_point(trials[key[0]], key, rows, study, found) for key in sorted(keys))


def ordered_points(points: Iterable[TrialPoint]) -> ViewPoints:
    """Split points, ordered by trial and derived point, into trials, derived points and replicates."""
    trials: list[TrialPoint] = []
    derived: list[TrialPoint] = []
    replicates: list[TrialPoint] = []
    for point in points:
        kind = replicates if point.confirms is not None else derived if point.derived else trials
        kind.append(point)
    replicates.sort(key=lambda point: point.derived > 0)
    return ViewPoints(trials=tuple(trials), derived=tuple(derived), replicates=tuple(replicates))


def reference_points(rows: StudyRows) -> tuple[ReferencePoint, ...]:
    """Return the baselines that are trained so far. The single-task one has the metrics of the trained tasks."""
    baselines = [row for row in rows.references if row.is_baseline]
    single = [row.result for row in baselines if row.kind == "single_task"]
    found: list[ReferencePoint] = []
    if single:
        found.append(
            ReferencePoint(
                kind="single_task",
                flops=rows.row.single_task_flops,
                delta_mtl=0.0,
                metrics={task: value for result in single for task, value in result["metrics"].items()},
                num_parameters=sum(result["num_parameters"] for result in single),
                seconds=sum(result["seconds"] for result in single),
                # A study of an earlier release does not know them, and ranks on every task.
                constant_metrics={
                    task: value for result in single for task, value in result.get("constant_metrics", {}).items()
                },
                unranked=tuple(result["tasks"][0] for result in single if not result.get("is_ranked", True)),
                test_metrics=_test_metrics(single),
                test_delta_mtl=0.0 if _test_metrics(single) else None,
            )
        )
    for row in baselines:
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
                    test_metrics=_test_metrics([result]),
                    test_delta_mtl=result.get("test_delta_mtl"),
                )
            )
    return tuple(found)


def _test_metrics(results: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the metrics on the test split, by task. Studies of earlier releases have none."""
    return {task: value for result in results for task, value in result.get("test_metrics", {}).items()}


def reference_frame(study: StudyRow | StudySummary, references: Sequence[ReferencePoint]) -> ReferenceFrame | None:
    """Return the reference point of the hypervolume; None until hard sharing is trained."""
    for point in references:
        if point.kind == "hard_sharing":
            flops = study.single_task_flops if study.flop_budget is None else study.flop_budget
            return ReferenceFrame(single_task_flops=study.single_task_flops, flops=flops, delta_mtl=point.delta_mtl)
    return None


def trial_point(
    trial: RawTrial, key: Key, rows: StudyRows, study: StudyState, found: Mapping[Key, FrontStatus]
) -> TrialPoint:
    """Return one point of a trial with its front status.

    Args:
        trial: the trial.
        key: its number and the index of the network; 0 is its own, which it may not have yet.
        rows: the rows of the study.
        study: the state of the study.
        found: the status of all points that count.
    """
    lost = study is StudyState.LOST and trial.state is TrialState.RUNNING
    place, network = found.get(key, NOWHERE), rows.networks.get(key)
    delta_mtl, flops = rows.values.get(key, (None, None))
    return TrialPoint(
        number=trial.number,
        derived=key[1],
        state=TrialState.LOST if lost else trial.state,
        cause=trial.cause,
        delta_mtl=delta_mtl,
        flops=flops,
        flop_target=None if network is None else network.flop_target,
        num_parameters=None if network is None else network.num_parameters,
        metrics={} if network is None else network.metrics,
        params=trial.params,
        on_front=place.on_front,
        is_feasible=place.is_feasible,
        epoch=trial.epoch,
        num_epochs=trial.num_epochs,
        started_at=trial.started_at,
        finished_at=trial.finished_at,
        seconds=network.seconds if network is not None and key[1] else trial.seconds,
        latency_ms=rows.latencies.get(key),
        exceeds=place.exceeds,
        confirms=trial.confirms,
        confirmation=place.confirmation,
        tied_with=place.tied_with,
        stopped_at=None if key[1] else trial.stopped_at,
        on_test=rows.on_test.get(key),
        test_confirmation=None if place.confirmation is None else confirmation(rows.test_samples(key)),
    )
