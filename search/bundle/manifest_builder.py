"""Construction of a manifest from the facts of one network, its data and its study."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from gatefront.search.bundle.file_names import INPUT_NAME, STUDY_FILE
from gatefront.search.bundle.manifest import (
    ConfirmationEntry,
    DataEntry,
    FlopsEntry,
    InputEntry,
    Manifest,
    ReferenceEntry,
    TaskEntry,
    WorkerLatencyEntry,
)
from gatefront.search.bundle.output_semantics import output_meaning, output_shape
from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.records import PointDetail, StudySummary, StudyView, TaskRecord, TrialDetail
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.unlearned_tasks import unlearned_tasks
from gatefront.spaces import FLOP_CONVENTION, PlainNetwork, count_parameters
from gatefront.spaces.architecture.tasks import safe_names
from gatefront.trainer.checkpoints.network_file import Delivered
from gatefront.trainer.data import DataDescription, MultiTaskData


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResults:
    """Metrics of a network and of the single-task networks, by task. ``deltas`` are terms of Δ_MTL.

    ``on_test`` and ``single_task_on_test`` are the same on the test split; None and empty if not measured.
    """

    records: Sequence[TaskRecord]
    metrics: Mapping[str, float]
    single_task: Mapping[str, float]
    deltas: Mapping[str, float]
    on_test: SplitFigures | None = None
    single_task_on_test: Mapping[str, float] = field(default_factory=dict)


def describe_trial(
    view: StudyView,
    trial: TrialDetail,
    chosen: PointDetail,
    common: Mapping[str, Any],
    *,
    requested: str | None,
    flop_budget: int | None,
) -> Manifest:
    """Return the manifest of one network of a study, with no files entered yet.

    Args:
        view: the study.
        trial: the trial that delivered the network.
        chosen: the network.
        common: the network's entries from :func:`describe_network`.
        requested: the budget as a person wrote it.
        flop_budget: the same in FLOPs.
    """
    summary, point = view.summary, chosen.point
    return Manifest(
        **common,
        study=summary.name,
        trial=point.number,
        derived=point.derived,
        seed=trial.seed,
        delta_mtl=point.delta_mtl or 0.0,
        unlearned=tuple(task.name for task in unlearned_tasks(summary.tasks, view.references)),
        flops=FlopsEntry(
            value=point.flops or 0,
            convention=FLOP_CONVENTION,
            requested=requested,
            flop_budget=flop_budget,
            flop_target=point.requested(summary.flop_budget),
            single_task=summary.single_task_flops,
            floor=summary.floor_flops,
        ),
        references=tuple(
            ReferenceEntry(
                kind=reference.kind,
                flops=reference.flops,
                delta_mtl=reference.delta_mtl,
                test_delta_mtl=reference.test_delta_mtl,
            )
            for reference in view.references
        ),
        confirmation=_confirmation(point.confirmation),
        test_delta_mtl=None if point.on_test is None else point.on_test.delta_mtl,
        test_confirmation=_confirmation(point.test_confirmation),
        worker_latency=_worker_latency(summary, point.latency_ms),
        trained_with={**trial.environment, "device": trial.device},
        reproduce=_commands(summary, point.label),
    )


def describe_network(
    delivered: Delivered, network: PlainNetwork, data_name: str, data: MultiTaskData, results: TaskResults
) -> dict[str, Any]:
    """Return the entries of a :class:`Manifest` that every network has, with no files yet.

    The network belongs to a study or to a comparison.

    Args:
        delivered: the network that was trained.
        network: the plain network made from it.
        data_name: the data set's name in the study file.
        data: the data that the network was trained and measured on.
        results: the metrics that were measured.
    """
    description = data.description
    height, width = description.input_size
    names = ("gatefront", "torch", "onnx", "onnxruntime")
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "family": delivered.family,
        "input": InputEntry(
            name=INPUT_NAME,
            channels=description.in_channels,
            height=height,
            width=width,
            batch="any",
            dtype="float32",
            mean=description.mean,
            std=description.std,
        ),
        "tasks": _tasks(delivered, description, results),
        "num_parameters": count_parameters(network),
        "no_plan_because": None,
        "data": DataEntry(
            name=data_name,
            fingerprint=data.fingerprint,
            num_train=description.num_train,
            num_val=description.num_val,
            num_test=description.num_test,
            measured_on="validation split",
        ),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "files": {},
    }


def _tasks(delivered: Delivered, description: DataDescription, results: TaskResults) -> tuple[TaskEntry, ...]:
    tasks = delivered.architecture.tasks
    records = {record.name: record for record in results.records}
    entries = []
    for task, output_name in zip(tasks, safe_names([task.name for task in tasks]), strict=True):
        on_test = results.on_test
        meaning, record = output_meaning(task, description.depth_unit), records[task.name]
        entry = TaskEntry(
            name=task.name,
            output_name=output_name,
            kind=task.kind,
            output_shape=output_shape(task, description.input_size),
            units=meaning.units,
            how_to_read=meaning.how_to_read,
            class_names=tuple(description.class_names.get(task.name, ())),
            metric=record.metric,
            higher_is_better=record.higher_is_better,
            value=results.metrics[task.name],
            single_task_value=results.single_task.get(task.name),
            delta=results.deltas.get(task.name),
            test_value=None if on_test is None else on_test.metrics[task.name],
            test_single_task_value=results.single_task_on_test.get(task.name),
            test_delta=None if on_test is None else on_test.delta_per_task.get(task.name),
        )
        entries.append(entry)
    return tuple(entries)


def _confirmation(found: Confirmation | None) -> ConfirmationEntry | None:
    return None if found is None else ConfirmationEntry(**asdict(found))


def _worker_latency(summary: StudySummary, median_ms: float | None) -> WorkerLatencyEntry | None:
    rule = summary.latency
    if rule is None or median_ms is None:
        return None
    return WorkerLatencyEntry(
        median_ms=median_ms,
        budget_ms=rule.budget_ms,
        runtime=rule.runtime,
        threads=rule.threads,
        batch=rule.batch,
        precision=rule.precision,
    )


def _commands(summary: StudySummary, label: str) -> tuple[str, ...]:
    budget = f" --flop-budget {shlex.quote(summary.flop_budget_text)}" if summary.flop_budget is not None else ""
    if summary.param_budget_text:
        budget += f" --param-budget {shlex.quote(summary.param_budget_text)}"
    if (latency_ms := summary.budgets.latency_ms) is not None:
        budget += f" --latency-budget {latency_ms:g}ms"
    return (
        f"gatefront start {STUDY_FILE}{budget} --trials {summary.num_trials}",
        f"gatefront pull {shlex.quote(summary.name)} --trial {label} -o FOLDER",
    )
