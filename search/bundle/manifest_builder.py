"""A manifest from what was gathered: the facts of one trial, its data and its study."""

import platform
import shlex
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

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
from gatefront.search.bundle.source import PullSource
from gatefront.search.results.records import TaskRecord
from gatefront.search.results.unlearned_tasks import unlearned_tasks
from gatefront.spaces import FLOP_CONVENTION, PlainNetwork, count_parameters
from gatefront.spaces.tasks import Task, safe_names
from gatefront.trainer.checkpoints.network_file import Delivered
from gatefront.trainer.data import DataDescription, MultiTaskData


def describe(
    source: PullSource, network: PlainNetwork, delivered: Delivered, *, no_plan_because: str | None
) -> Manifest:
    """The manifest of the network in ``source``, with no files entered yet; ``delivered`` is what it was made from."""
    summary, point = source.view.summary, source.chosen.point
    return Manifest(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        study=summary.name,
        trial=point.number,
        derived=point.derived,
        family=delivered.family,
        seed=source.trial.seed,
        input=describe_input(source.data.description),
        tasks=tuple(
            _describe_task(task, name, source)
            for task, name in zip(delivered.architecture.tasks, safe_names(network.task_names), strict=True)
        ),
        delta_mtl=point.delta_mtl or 0.0,
        unlearned=tuple(task.name for task in unlearned_tasks(summary.tasks, source.view.references)),
        flops=FlopsEntry(
            value=point.flops or 0,
            convention=FLOP_CONVENTION,
            requested=source.requested,
            flop_budget=source.budgets.flops,
            flop_target=point.requested(summary.flop_budget),
            single_task=summary.single_task_flops,
            floor=summary.floor_flops,
        ),
        references=tuple(
            ReferenceEntry(kind=reference.kind, flops=reference.flops, delta_mtl=reference.delta_mtl)
            for reference in source.view.references
        ),
        num_parameters=count_parameters(network),
        confirmation=_confirmation(source),
        worker_latency=_worker_latency(source),
        no_plan_because=no_plan_because,
        data=describe_data(source.data_name, source.data),
        versions=versions(),
        trained_with={**source.trial.environment, "device": source.trial.device},
        reproduce=_commands(source),
        files={},
    )


def describe_input(description: DataDescription) -> InputEntry:
    """The images that the network takes."""
    height, width = description.input_size
    return InputEntry(
        name=INPUT_NAME,
        channels=description.in_channels,
        height=height,
        width=width,
        batch="any",
        dtype="float32",
        mean=description.mean,
        std=description.std,
    )


def describe_data(name: str, data: MultiTaskData) -> DataEntry:
    """What the network was trained and measured on."""
    return DataEntry(
        name=name,
        fingerprint=data.fingerprint,
        num_train=data.description.num_train,
        num_val=data.description.num_val,
        measured_on="validation split",
    )


def describe_task(
    task: Task,
    record: TaskRecord,
    description: DataDescription,
    *,
    output_name: str,
    value: float,
    single: float | None,
    delta: float | None,
) -> TaskEntry:
    """One output, called ``output_name`` in the files; ``single`` is the single-task network's value of the metric."""
    meaning = output_meaning(task, description.depth_unit)
    return TaskEntry(
        name=task.name,
        output_name=output_name,
        kind=task.kind,
        output_shape=output_shape(task, description.input_size),
        units=meaning.units,
        how_to_read=meaning.how_to_read,
        class_names=tuple(description.class_names.get(task.name, ())),
        metric=record.metric,
        higher_is_better=record.higher_is_better,
        value=value,
        single_task_value=single,
        delta=delta,
    )


def versions() -> dict[str, str]:
    """What exported the network."""
    names = ("gatefront", "torch", "onnx", "onnxruntime")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _describe_task(task: Task, output_name: str, source: PullSource) -> TaskEntry:
    baseline = next((point for point in source.view.references if point.kind == "single_task"), None)
    return describe_task(
        task,
        next(record for record in source.view.summary.tasks if record.name == task.name),
        source.data.description,
        output_name=output_name,
        value=source.chosen.point.metrics[task.name],
        single=None if baseline is None else baseline.metrics.get(task.name),
        delta=source.chosen.delta_per_task.get(task.name),
    )


def _confirmation(source: PullSource) -> ConfirmationEntry | None:
    sure = source.chosen.point.confirmation
    return None if sure is None else ConfirmationEntry(**asdict(sure))


def _worker_latency(source: PullSource) -> WorkerLatencyEntry | None:
    rule, median_ms = source.view.summary.latency, source.chosen.point.latency_ms
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


def _commands(source: PullSource) -> tuple[str, ...]:
    summary, label = source.view.summary, source.chosen.point.label
    budget = f" --flop-budget {shlex.quote(summary.flop_budget_text)}" if summary.flop_budget is not None else ""
    if summary.param_budget_text:
        budget += f" --param-budget {shlex.quote(summary.param_budget_text)}"
    if (latency_ms := summary.budgets.latency_ms) is not None:
        budget += f" --latency-budget {latency_ms:g}ms"
    return (
        f"gatefront start {STUDY_FILE}{budget} --trials {summary.num_trials}",
        f"gatefront pull {shlex.quote(summary.name)} --trial {label} -o FOLDER",
    )
