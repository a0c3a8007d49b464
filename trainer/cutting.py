"""Bringing a network with learned gates to what a trial may cost."""

import torch

from spaces.budget import close_gates_to_budget, project_to_budget
from spaces.flops import GatePattern
from spaces.interrogate import InterroGateNetwork
from trainer.data.dataset import MultiTaskData
from trainer.data.loader import epoch_batches
from trainer.runtime import resolve_runtime
from trainer.sensitivity import gate_sensitivity
from trainer.trial_spec import TrialSpec


def cut_to_target(spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData) -> None:
    """Set the gates so that the network keeps to the trial's target and budget.

    With a target, gates are opened or closed until none more would fit under it; without one the gates keep
    what they learned, or as much of it as the budget allows.

    Raises:
        BudgetBelowFloorError: if even sharing everything costs more.
    """
    if spec.flop_target is not None:
        pattern = project_to_budget(network, spec.flop_target, importance=_importance(spec, network, data))
        network.set_gate_pattern(pattern)
    elif spec.flop_budget is not None and network.flops() > spec.flop_budget:
        importance = _importance(spec, network, data)
        network.set_gate_pattern(close_gates_to_budget(network, spec.flop_budget, importance=importance))


def cut_further(spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData, target: int) -> None:
    """Close gates, and open none, until the network keeps to a smaller ``target``."""
    opened: GatePattern = network.gate_pattern()
    network.unfreeze_gates()
    pattern = project_to_budget(network, target, importance=_importance(spec, network, data), openable=opened)
    network.set_gate_pattern(pattern)


def _importance(spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData) -> tuple[torch.Tensor, ...] | None:
    if spec.gates.importance == "logit":
        return None
    runtime = resolve_runtime(spec.train)
    runtime.place_network(network)
    network.eval()
    tasks = spec.architecture.tasks
    batches = epoch_batches(data.train, tasks, batch_size=spec.train.batch_size, seed=spec.train.seed, epoch=0)
    return gate_sensitivity(network, batches, tasks, runtime=runtime)
