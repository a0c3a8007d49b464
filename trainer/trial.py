"""One trial: a gated network is trained, cut to its FLOP budget, fine-tuned, pruned and measured."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from spaces.budget import close_gates_to_budget
from spaces.compaction import compact_network
from spaces.errors import GatefrontError
from spaces.flops import count_flops, count_parameters
from spaces.interrogate import InterroGateNetwork, build_gated_network
from spaces.plain_network import PlainNetwork
from spaces.pruning import prune_network
from trainer.checkpoint import CheckpointError, CheckpointSlot, load_state, read_checkpoint, save_network, save_state
from trainer.compatibility import image_shape, require_match
from trainer.data.dataset import MultiTaskData
from trainer.data.registry import load_data
from trainer.delta_mtl import delta_mtl
from trainer.evaluation import evaluate
from trainer.gate_training import finetune, finetune_config, learn_gates
from trainer.loop import TrainOutcome, train
from trainer.machine import describe_environment, device_name, peak_memory_mib, reset_peak_memory
from trainer.reporting import EpochReport, Reporter, TrialResult
from trainer.runtime import resolve_runtime
from trainer.seeding import seed_everything
from trainer.training_cost import count_training_flops
from trainer.trial_spec import TrialSpec

CHECKPOINT_FILE, LEARNED_FILE, NETWORK_FILE = "checkpoint.pt", "learned.pt", "network.pt"

logger = logging.getLogger(__name__)


class PruningMismatchError(GatefrontError, RuntimeError):
    """The pruned network does not cost what the gates said, or costs more than the budget allows."""


def run_trial(spec: TrialSpec, *, work_dir: Path, cache_dir: Path, reporter: Reporter) -> TrialResult:
    """Runs a trial, going on from ``work_dir/checkpoint.pt`` if it is there, and writes ``work_dir/network.pt``.

    Raises:
        StopTraining: if the reporter asked for it; calling again goes on.
        DivergedError: if a loss or a prediction stops being finite.
        BudgetBelowFloorError: if even sharing everything costs more than the budget.
        DataError, CheckpointError, TrainConfigError: if data, references or device are not what the spec says.
    """
    data = load_data(spec.data, cache_dir)
    require_match(spec.architecture, data.description)
    device = resolve_runtime(spec.train).device
    reset_peak_memory(device)
    network = _build(spec)
    trained = _train_in_phases(spec, network, data, work_dir / CHECKPOINT_FILE, _TrialReporter(spec, network, reporter))
    # Pruning folds weights on the CPU, where the traced examples are.
    network.cpu().eval()
    save_network(network, work_dir / NETWORK_FILE)
    pruned = prune_network(network)
    flops = _checked_flops(spec, network, pruned)
    metrics = _evaluate_pruned(spec, pruned, data)
    delta = delta_mtl(spec.architecture.tasks, metrics, spec.single_task_metrics())
    return TrialResult(
        metrics=metrics,
        delta_per_task=delta.per_task,
        delta_mtl=delta.mean,
        flops=flops,
        flop_budget=spec.flop_budget,
        flops_before_cut=trained.flops_before_cut,
        num_parameters=count_parameters(pruned),
        gate_map=network.gate_map(),
        seconds=trained.seconds,
        device=device_name(device),
        train_flops=trained.train_flops,
        peak_memory_mib=peak_memory_mib(device),
        environment=describe_environment(),
        network_path=str(work_dir / NETWORK_FILE),
    )


def _build(spec: TrialSpec) -> InterroGateNetwork:
    seed_everything(spec.train.seed)
    network = build_gated_network(spec.architecture, spec.gates.layout(), initial_logit=spec.gates.initial_logit)
    if spec.train.checkpoint_activations:
        network.checkpoint_activations()
    single_task = {name: load_state(Path(spec.single_task[name].path)) for name in spec.architecture.task_names}
    hard_sharing = load_state(Path(spec.hard_sharing.path)) if spec.hard_sharing is not None else None
    network.load_references(single_task, hard_sharing)
    if spec.flop_budget is not None:
        # Asked before hours of training rather than after: this refuses a budget that nothing can meet.
        close_gates_to_budget(network, spec.flop_budget)
    return network


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    flops_before_cut: int
    seconds: float
    train_flops: float


def _train_in_phases(
    spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData, path: Path, reporter: Reporter
) -> _Trained:
    """Learns the gates, cuts to the budget, fine-tunes. A checkpoint of the second phase skips the first."""
    slot = CheckpointSlot(path=path, key=spec.key(data.fingerprint))
    notes = _resume_finetuning(network, slot)
    if notes is None:
        notes = _learn_and_cut(spec, network, data, slot, reporter)
        save_state(network.state_dict(), _learned_file(path))
    seconds, train_flops = notes["seconds"], notes["train_flops"]
    if spec.gates.finetune_epochs > 0:
        outcome, cost = _finetune(spec, network, data, replace(slot, notes=notes), reporter)
        seconds, train_flops = seconds + outcome.seconds, train_flops + cost
    return _Trained(flops_before_cut=int(notes["flops_before_cut"]), seconds=seconds, train_flops=train_flops)


def _resume_finetuning(network: InterroGateNetwork, slot: CheckpointSlot) -> Mapping[str, float] | None:
    """Put the learned gates back into ``network`` if the slot's checkpoint is of the second phase."""
    checkpoint = read_checkpoint(slot)
    if checkpoint is None or checkpoint.phase != "finetune":
        return None
    try:
        network.load_state_dict(load_state(_learned_file(slot.path)))
    except CheckpointError as error:
        logger.warning("%s The gates are learned again.", error)
        return None
    return checkpoint.notes


def _finetune(
    spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData, slot: CheckpointSlot, reporter: Reporter
) -> tuple[TrainOutcome, float]:
    """Trains on with frozen gates, on the channels they leave alone; also says how many FLOPs that took."""
    network.cpu().freeze_gates()
    compact = compact_network(network)
    if compact is None:
        logger.info("A layer with weights runs twice in this backbone: fine-tuning keeps channels nobody reads.")
    trained = network if compact is None else compact
    outcome = train(
        trained,
        data,
        finetune_config(spec.train, spec.gates),
        tasks=spec.architecture.tasks,
        strategy=finetune(trained, spec.gates),
        reporter=reporter,
        slot=slot,
    )
    if compact is not None:
        compact.write_back()
    return outcome, count_training_flops(trained, image_shape(data.description), outcome.num_samples)


def _learned_file(checkpoint: Path) -> Path:
    """Beside the checkpoint: the gated network as the second phase found it."""
    return checkpoint.with_name(LEARNED_FILE)


def _learn_and_cut(
    spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData, slot: CheckpointSlot, reporter: Reporter
) -> dict[str, float]:
    """Returns what the second phase must remember of the first: numbers that its checkpoints carry along."""
    outcome = train(
        network,
        data,
        spec.train,
        tasks=spec.architecture.tasks,
        strategy=learn_gates(network, spec.gates),
        reporter=reporter,
        slot=slot,
    )
    notes = {
        "flops_before_cut": network.flops(),
        "seconds": outcome.seconds,
        # Before the gates freeze: until then every branch runs.
        "train_flops": count_training_flops(network, image_shape(data.description), outcome.num_samples),
    }
    if spec.flop_budget is not None:
        network.set_gate_pattern(close_gates_to_budget(network, spec.flop_budget))
    return notes


class _TrialReporter:
    """Adds to each epoch what only the trial knows: its place in both phases, Δ_MTL, and the cost right now."""

    def __init__(self, spec: TrialSpec, network: InterroGateNetwork, reporter: Reporter) -> None:
        self._spec = spec
        self._network = network
        self._reporter = reporter

    def __call__(self, report: EpochReport, /) -> None:
        spec = self._spec
        delta = delta_mtl(spec.architecture.tasks, report.metrics, spec.single_task_metrics())
        self._reporter(
            replace(
                report,
                epoch=report.epoch + (spec.train.epochs if report.phase == "finetune" else 0),
                num_epochs=spec.num_epochs,
                delta_mtl=delta.mean,
                flops=self._network.flops(),
            )
        )


def _checked_flops(spec: TrialSpec, network: InterroGateNetwork, pruned: PlainNetwork) -> int:
    """The pruned network's own count, which must be what the gates promised."""
    flops = count_flops(pruned, (spec.architecture.in_channels, *spec.architecture.input_size))
    if flops != network.flops():
        raise PruningMismatchError(f"the pruned network costs {flops:,} FLOPs, its gates said {network.flops():,}.")
    if spec.flop_budget is not None and flops > spec.flop_budget:
        raise PruningMismatchError(
            f"the pruned network costs {flops:,} FLOPs, over flop_budget = {spec.flop_budget:,}."
        )
    return flops


def _evaluate_pruned(spec: TrialSpec, pruned: PlainNetwork, data: MultiTaskData) -> dict[str, float]:
    runtime = resolve_runtime(spec.train)
    runtime.place_network(pruned)
    return evaluate(pruned, data.val, spec.architecture.tasks, runtime=runtime, batch_size=spec.train.batch_size)
