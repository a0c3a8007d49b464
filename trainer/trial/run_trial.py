"""Run of a trial: a gated network is trained, projected to its budget, fine-tuned, pruned and measured."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gatefront.spaces.budgets.parameter_budget import project_to_budgets
from gatefront.spaces.networks.interrogate import InterroGateNetwork, build_gated_network
from gatefront.trainer.checkpoints.checkpoint import (
    CheckpointError,
    CheckpointSlot,
    load_state,
    read_checkpoint,
    save_state,
)
from gatefront.trainer.checkpoints.initial_network import start_from
from gatefront.trainer.data.compatibility import image_shape, require_match
from gatefront.trainer.data.loader import num_samples, steps_per_epoch
from gatefront.trainer.data.registry import load_data
from gatefront.trainer.loop.environment import describe_environment, device_name, peak_memory_mib, reset_peak_memory
from gatefront.trainer.loop.norm_recalibration import recalibrate_norms
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.loop.train import train
from gatefront.trainer.loop.training_cost import count_training_flops
from gatefront.trainer.reporting import Reporter, TrialResult
from gatefront.trainer.trial.families.family_trial import run_family_trial
from gatefront.trainer.trial.gated.budget_projection import cut_to_target
from gatefront.trainer.trial.gated.derived_points import derive_points
from gatefront.trainer.trial.gated.finetuning import finetune_cut
from gatefront.trainer.trial.gated.gate_training import finetune_config, learn_gates
from gatefront.trainer.trial.gated.pruned_evaluation import deliver
from gatefront.trainer.trial.loaded_trial import LoadedTrial
from gatefront.trainer.trial.reporter import TrialReporter
from gatefront.trainer.trial.spec import NETWORK_FILE, TrialSpec
from gatefront.trainer.trial.teachers import find_teachers
from gatefront.trainer.weighting import step_cost

CHECKPOINT_FILE, LEARNED_FILE = "checkpoint.pt", "learned.pt"

logger = logging.getLogger(__name__)


def run_trial(spec: TrialSpec, *, work_dir: Path, cache_dir: Path, reporter: Reporter) -> TrialResult:
    """Run a trial, resuming from ``work_dir``, and write ``work_dir/network.pt``.

    The networks of derived points are ``derived-1.pt`` and so on beside it.

    Raises:
        StopTraining: the reporter asked for it; another call resumes the trial.
        DivergedError: a loss or a prediction is not finite.
        BudgetBelowFloorError: even sharing everything costs more than the budget.
        DataError, CheckpointError, TrainConfigError: data, references or device do not match the spec.
    """
    if spec.family is not None:
        return run_family_trial(spec, spec.family, work_dir=work_dir, cache_dir=cache_dir, reporter=reporter)
    data = load_data(spec.data, cache_dir)
    require_match(spec.architecture, data.description)
    device = resolve_runtime(spec.train).device
    reset_peak_memory(device)
    teachers = find_teachers(spec.distillation, spec.single_task, data, spec.train, cache_dir=cache_dir)
    trial = LoadedTrial(spec=spec, data=data, teachers=teachers)
    network = _build(spec)
    trained = _train_in_phases(trial, network, work_dir / CHECKPOINT_FILE, reporter)
    own = deliver(spec, network, data, work_dir / NETWORK_FILE, flop_limit=spec.flop_limit)
    derived = derive_points(trial, network, work_dir=work_dir, reporter=reporter)
    return TrialResult(
        metrics=own.metrics,
        delta_per_task=own.delta.per_task,
        delta_mtl=own.delta.mean,
        flops=own.flops,
        flop_budget=spec.budgets.flops,
        flop_target=spec.flop_target,
        flops_before_cut=trained.flops_before_cut,
        num_parameters=own.num_parameters,
        gate_map=own.gate_map,
        seconds=trained.seconds,
        device=device_name(device),
        train_flops=trained.train_flops + teachers.first_cost,
        peak_memory_mib=peak_memory_mib(device),
        environment=describe_environment(),
        network_path=str(own.path),
        derived=derived,
    )


def _build(spec: TrialSpec) -> InterroGateNetwork:
    seed_everything(spec.train.seed)
    network = build_gated_network(spec.architecture, spec.gates.layout(), initial_logit=spec.gates.initial_logit)
    network.set_estimator(spec.gates.estimator)
    if spec.train.checkpoint_activations:
        network.checkpoint_activations()
    single_task = {name: load_state(Path(spec.single_task[name].path)) for name in spec.architecture.task_names}
    hard_sharing = load_state(Path(spec.hard_sharing.path)) if spec.hard_sharing is not None else None
    network.load_references(single_task, hard_sharing)
    if spec.initial is not None:
        start_from(network, spec.initial)
    # This check before hours of training refuses a budget that even sharing everything exceeds.
    floor = network.cost.floor
    limit = floor if spec.flop_limit is None else min(spec.flop_limit, floor)
    project_to_budgets(network.eval(), limit, param_budget=spec.budgets.params)
    return network


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    flops_before_cut: int
    seconds: float
    train_flops: float


def _train_in_phases(trial: LoadedTrial, network: InterroGateNetwork, path: Path, reporter: Reporter) -> _Trained:
    """Learn the gates, project to the target, fine-tune. A checkpoint of the second phase skips the first."""
    spec, data = trial.spec, trial.data
    slot = CheckpointSlot(path=path, key=spec.key(data.fingerprint))
    notes = _resume_finetuning(network, slot)
    if notes is None:
        notes = _learn_and_cut(trial, network, slot, reporter)
        save_state(network.state_dict(), _learned_file(path))
    seconds, train_flops = notes["seconds"], notes["train_flops"]
    if spec.gates.finetune_epochs > 0:
        outcome, cost = finetune_cut(
            trial,
            network,
            finetune_config(spec.train, spec.gates),
            phase="finetune",
            reporter=TrialReporter(spec, network, reporter, epochs_before=spec.train.epochs),
            slot=replace(slot, notes=notes),
        )
        seconds, train_flops = seconds + outcome.seconds, train_flops + cost
    else:
        network.freeze_gates()
        recalibrate_norms(network, data, spec.train, spec.architecture.tasks)
    return _Trained(flops_before_cut=int(notes["flops_before_cut"]), seconds=seconds, train_flops=train_flops)


def _resume_finetuning(network: InterroGateNetwork, slot: CheckpointSlot) -> Mapping[str, float] | None:
    """Put the learned gates back into ``network`` if the slot's checkpoint is of the second phase.

    Return the checkpoint's notes, or None if the first phase has to run.
    """
    checkpoint = read_checkpoint(slot)
    if checkpoint is None or checkpoint.phase != "finetune":
        return None
    try:
        network.load_state_dict(load_state(_learned_file(slot.path)))
    except CheckpointError as error:
        logger.warning("%s The gates are learned again.", error)
        return None
    return checkpoint.notes


def _learned_file(checkpoint: Path) -> Path:
    """Return the path, beside the checkpoint, of the gated network at the start of the second phase."""
    return checkpoint.with_name(LEARNED_FILE)


def _learn_and_cut(
    trial: LoadedTrial, network: InterroGateNetwork, slot: CheckpointSlot, reporter: Reporter
) -> dict[str, float]:
    """Learn the gates and project them. Return the numbers that the second phase's checkpoints must keep."""
    spec, data, distillation = trial.spec, trial.data, trial.teachers.distillation("gates")
    num_steps = spec.train.epochs * steps_per_epoch(num_samples(data.train), spec.train.batch_size)
    strategy = learn_gates(network, spec.gates, target=spec.flop_target, num_steps=num_steps, distillation=distillation)
    outcome = train(
        network,
        data,
        spec.train,
        tasks=spec.architecture.tasks,
        strategy=strategy,
        reporter=TrialReporter(spec, network, reporter),
        slot=slot,
    )
    notes = {
        "flops_before_cut": network.flops(),
        "seconds": outcome.seconds,
        # This is counted before the gates freeze, because until then every branch runs.
        "train_flops": count_training_flops(
            network,
            image_shape(data.description),
            outcome.num_samples,
            step_cost=step_cost(spec.train.weighting, len(spec.architecture.tasks)),
        ),
    }
    if distillation is not None:
        notes["train_flops"] += distillation.teachers.running_cost(outcome.num_samples)
    cut_to_target(spec, network, data)
    return notes
