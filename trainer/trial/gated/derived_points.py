"""Derived points of a trial: its network is projected to smaller and smaller budgets and trained a little each time."""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from gatefront.spaces.json_codec import from_json, to_json
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.trainer.checkpoints.atomic_file import replacing
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, load_network
from gatefront.trainer.loop.norm_recalibration import recalibrate_norms
from gatefront.trainer.reporting import NetworkResult, Reporter
from gatefront.trainer.trial.gated.budget_projection import cut_further
from gatefront.trainer.trial.gated.finetuning import finetune_cut
from gatefront.trainer.trial.gated.gate_training import derived_config
from gatefront.trainer.trial.gated.pruned_evaluation import deliver
from gatefront.trainer.trial.loaded_trial import LoadedTrial
from gatefront.trainer.trial.reporter import TrialReporter

logger = logging.getLogger(__name__)


def derive_points(
    trial: LoadedTrial, network: InterroGateNetwork, *, work_dir: Path, reporter: Reporter
) -> tuple[NetworkResult, ...]:
    """Project the trial's finished ``network`` once per derived point, the largest budget first.

    Each network starts from the one before, so it needs little training. Its open gates are also open in the ones
    before. Points that an interrupted trial has finished are read from ``work_dir``. A trial whose gates are all closed
    has no smaller network.

    Raises:
        StopTraining: the reporter asked for it; another call resumes.
        DivergedError: a loss or a prediction is not finite.
    """
    spec, data = trial.spec, trial.data
    key = spec.key(data.fingerprint)
    results: list[NetworkResult] = []
    for index, target in enumerate(derived_targets(network.cost.floor, network.flops(), spec.gates.derived_points), 1):
        record = work_dir / f"derived-{index}.json"
        finished = _read_record(record, key)
        if finished is None:
            before = network.gate_map()
            cut_further(spec, network, data, target)
            if network.gate_map() == before:
                continue  # the next budget is too close for even one gate to close
            finished = _derive(trial, network, index, target, record, reporter)
            _write_record(record, key, finished)
        else:
            network.load_state_dict(load_network(Path(finished.network_path)).state_dict())
        results.append(finished)
    return tuple(results)


def derived_targets(floor: int, flops: int, count: int) -> Sequence[int]:
    """Return ``count`` budgets between two costs, evenly spaced, the largest first; none if ``flops`` is the floor."""
    if flops <= floor:
        return ()
    return [floor + (flops - floor) * step // (count + 1) for step in range(count, 0, -1)]


def _derive(
    trial: LoadedTrial,
    network: InterroGateNetwork,
    index: int,
    target: int,
    record: Path,
    reporter: Reporter,
) -> NetworkResult:
    spec, data = trial.spec, trial.data
    started = time.perf_counter()
    train_flops = 0.0
    if spec.gates.derived_epochs > 0:
        before = spec.train.epochs + spec.gates.finetune_epochs + (index - 1) * spec.gates.derived_epochs
        _, train_flops = finetune_cut(
            trial,
            network,
            derived_config(spec.train, spec.gates, index),
            phase="derive",
            reporter=TrialReporter(spec, network, reporter, epochs_before=before),
        )
    else:
        network.freeze_gates()
        recalibrate_norms(network, data, spec.train, spec.architecture.tasks)
    found = deliver(spec, network, data, record.with_suffix(".pt"), flop_limit=target)
    return NetworkResult(
        index=index,
        flop_target=target,
        metrics=found.metrics,
        delta_per_task=found.delta.per_task,
        delta_mtl=found.delta.mean,
        flops=found.flops,
        num_parameters=found.num_parameters,
        gate_map=found.gate_map,
        seconds=time.perf_counter() - started,
        train_flops=train_flops,
        network_path=str(found.path),
    )


def _write_record(path: Path, key: str, result: NetworkResult) -> None:
    with replacing(path) as fresh:
        Path(fresh).write_text(json.dumps({"key": key, "result": to_json(result)}), encoding="utf-8")


def _read_record(path: Path, key: str) -> NetworkResult | None:
    """Return a derived point that an earlier attempt at the same trial finished; None if there is none."""
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        logger.warning("%s cannot be read (%s); the point is derived again.", path, error)
        return None
    if document["key"] != key:
        raise CheckpointError(f"{path} belongs to another run.", hint="Give every run a folder of its own.")
    return from_json(NetworkResult, document["result"])
