"""References: each task alone, and all tasks sharing everything. Each is trained once and cached by its inputs."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.flop_counter import count_flops, count_parameters
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.spaces.networks.shared_network import SharedNetwork, build_shared_network
from gatefront.trainer.baselines.constant import constant_reference
from gatefront.trainer.checkpoints.atomic_folder import obtain_folder
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, CheckpointSlot, save_state
from gatefront.trainer.checkpoints.content_hash import hash_file, hash_json
from gatefront.trainer.checkpoints.rotation import remove_checkpoint_files
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.compatibility import image_shape, require_match
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.loop.train import TrainOutcome, train
from gatefront.trainer.loop.training_cost import count_training_flops
from gatefront.trainer.reporting import ReferenceResult, Reporter
from gatefront.trainer.weighting import step_cost

ReferenceKind = Literal["single_task", "hard_sharing"]

_VERSIONS = {"last": 1, "best": 2}  # releases before version 2 kept the last epoch
_WEIGHTS, _RECORD = "weights.pt", "reference.json"


def train_reference(
    kind: ReferenceKind,
    architecture: Architecture,
    task_name: str | None,
    data: MultiTaskData,
    config: TrainConfig,
    *,
    cache_dir: Path,
    reporter: Reporter | None = None,
) -> ReferenceResult:
    """Return the reference of this kind, from the cache if it was trained before.

    ``task_name`` is None for hard sharing. Several processes may request the same reference at once. An interrupted
    training resumes after its last epoch.

    Raises:
        DataError: if the data does not fit the architecture.
        SpaceError: if the task is not the architecture's.
        DivergedError: if the training diverged.
    """
    require_match(architecture, data.description)
    config = _own_recipe(kind, config)
    tasks = _select_tasks(kind, architecture, task_name)
    key = reference_key(kind, architecture, task_name, data, config)
    folder = cache_dir / "references" / key[:32]
    slot = CheckpointSlot(path=folder.with_suffix(".checkpoint.pt"), key=key)

    def build(target: Path) -> None:
        seed_everything(config.seed)
        network = build_shared_network(architecture, [task.name for task in tasks])
        outcome = train(network, data, config, tasks=tasks, reporter=reporter, slot=slot)
        save_state(network.state_dict(), target / _WEIGHTS)
        settings = {"kind": kind, "key": key, "architecture": to_json(architecture), "train": to_json(config)}
        cost = step_cost(config.weighting, len(tasks))
        document = (
            settings
            | {"epochs": config.epochs, "best_epoch": outcome.best_epoch, "lengths": [config.epochs]}
            | _measure(network, outcome, data, step_cost=cost)
            | {"test_metrics": _measure_on_test(network, data, config, tasks)}
            | {"weights_sha256": hash_file(target / _WEIGHTS)}
        )
        (target / _RECORD).write_text(json.dumps(document, indent=2))

    from_cache = obtain_folder(folder, is_intact=_is_intact, build=build)
    remove_checkpoint_files(slot.path)
    record: dict[str, Any] = json.loads((folder / _RECORD).read_text())
    stored = {field.name for field in fields(ReferenceResult)} & record.keys()
    alone = tasks if kind == "single_task" else ()
    known: dict[str, Any] = {
        name: tuple(record[name]) if name in ("tasks", "lengths") else record[name] for name in stored
    }
    return ReferenceResult(
        **known,
        path=str(folder / _WEIGHTS),
        from_cache=from_cache,
        constant_metrics={
            task.name: constant_reference(task, data, batch_size=config.batch_size, cache_dir=cache_dir)
            for task in alone
        },
    )


def reference_key(
    kind: ReferenceKind, architecture: Architecture, task_name: str | None, data: MultiTaskData, config: TrainConfig
) -> str:
    """Return the SHA-256 of everything that determines a reference: its network, tasks, data, recipe and seed."""
    recipe = _own_recipe(kind, config).recipe()
    recipe.pop("keep", None)  # the version says it
    return hash_json(
        {
            "version": _VERSIONS[config.keep],
            "kind": kind,
            "architecture": to_json(_own_architecture(kind, architecture)),
            "files": _files_behind(architecture),
            "tasks": [task.name for task in _select_tasks(kind, architecture, task_name)],
            "data": data.fingerprint,
            "train": recipe,
        }
        # A reference that an earlier release trained on the same data lacks figures on their test split.
        | ({"measured_on": ["val", "test"]} if data.test is not None else {})
    )


def describe_reference(weights: Path) -> tuple[str, Architecture]:
    """Return the key and the architecture of the reference whose weights lie at this path.

    Raises:
        CheckpointError: its record is missing or damaged.
    """
    path = weights.with_name(_RECORD)
    try:
        record = json.loads(path.read_text())
        return record["key"], from_json(Architecture, record["architecture"])
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"Cannot read the record of a reference: {path} is missing or damaged (found {error}).",
            hint="Train the references again: start or resume the study.",
        ) from error


def _files_behind(architecture: Architecture) -> list[str]:
    """Return the hashes of files that the architecture only names by path: weights and a user's module."""
    paths = [Path(architecture.weights)] if architecture.weights is not None else []
    package, is_user_module, _ = architecture.backbone.partition(":")
    if is_user_module and (found := importlib.util.find_spec(package)) is not None and found.origin is not None:
        paths.append(Path(found.origin))
    return [hash_file(path) for path in paths]


def _select_tasks(kind: ReferenceKind, architecture: Architecture, task_name: str | None) -> tuple[Task, ...]:
    if (kind == "single_task") != (task_name is not None):
        raise SpaceError(f"task_name is {task_name!r}: a single-task reference has one task, hard sharing has all.")
    tasks = tuple(task for task in _own_architecture(kind, architecture).tasks if task_name in (None, task.name))
    if not tasks:
        raise SpaceError(
            f"task_name {task_name!r} is not a task of the architecture.",
            hint=f"It has {', '.join(architecture.task_names)}.",
        )
    return tasks


def _own_architecture(kind: ReferenceKind, architecture: Architecture) -> Architecture:
    """Return the architecture with equal weights of tasks for a single-task reference.

    A task alone is not weighed against others, so studies that differ in weights share their references. The other
    tasks stay in the record because they determine which features a backbone returns.
    """
    if kind == "hard_sharing":
        return architecture
    return replace(architecture, tasks=tuple(replace(task, weight=1.0) for task in architecture.tasks))


def _own_recipe(kind: ReferenceKind, config: TrainConfig) -> TrainConfig:
    """Return the recipe, which for a single-task reference has no weighting of tasks."""
    return config if kind == "hard_sharing" else replace(config, weighting="scalar")


def _measure(network: SharedNetwork, outcome: TrainOutcome, data: MultiTaskData, *, step_cost: float) -> dict[str, Any]:
    """Return the measurements of the trained network for the record, as JSON."""
    shape = image_shape(data.description)
    return {
        "tasks": list(network.task_names),
        "metrics": dict(outcome.metrics),
        "flops": count_flops(network, shape),
        "num_parameters": count_parameters(network),
        "seconds": outcome.seconds,
        "train_flops": count_training_flops(network, shape, outcome.num_samples, step_cost=step_cost),
    }


def _measure_on_test(
    network: SharedNetwork, data: MultiTaskData, config: TrainConfig, tasks: Sequence[Task]
) -> dict[str, float]:
    """Return the metrics on the test split; none without one."""
    if data.test is None:
        return {}
    runtime = resolve_runtime(config)
    runtime.place_network(network)
    return dict(evaluate(network, data.test, tasks, runtime=runtime, batch_size=config.samples_at_once).metrics)


def _is_intact(folder: Path) -> bool:
    try:
        record = json.loads((folder / _RECORD).read_text())
        return bool(record["weights_sha256"] == hash_file(folder / _WEIGHTS))
    except (OSError, ValueError, KeyError):
        return False
