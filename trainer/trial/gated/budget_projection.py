"""Projection of a network with learned gates to the budget of its trial."""

from itertools import islice

import torch

from gatefront.spaces.budgets.budgets import is_feasible
from gatefront.spaces.budgets.parameter_budget import count_pruned_parameters, project_to_budgets
from gatefront.spaces.networks.cost_model import GatePattern
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.data.loader import epoch_batches
from gatefront.trainer.loop.micro_batches import split_batch
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.trial.gated.gate_sensitivity import gate_sensitivity
from gatefront.trainer.trial.spec import TrialSpec

_SENSITIVITY_BATCHES = 8


def cut_to_target(spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData) -> None:
    """Set the gates so that the network keeps the trial's target and budgets.

    With a target, gates are opened or closed until no more would fit under it. Without a target the gates keep their
    learned state, or as much of it as the budgets allow.

    Raises:
        BudgetBelowFloorError: if even sharing everything costs more.
    """
    learned = network.gate_pattern()
    if spec.flop_target is None and _is_within_budgets(spec, network, learned):
        return
    limit = network.cost.ceiling if spec.flop_limit is None else spec.flop_limit
    _project(spec, network, data, limit, openable=None if spec.flop_target is not None else learned)


def cut_further(spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData, target: int) -> None:
    """Close gates, and open none, until the network keeps a smaller ``target``."""
    learned = network.gate_pattern()
    network.unfreeze_gates()
    _project(spec, network, data, target, openable=learned)


def _is_within_budgets(spec: TrialSpec, network: InterroGateNetwork, pattern: GatePattern) -> bool:
    if not is_feasible(network.cost.flops(pattern), spec.budgets.flops):
        return False
    network.cpu().eval()
    return spec.budgets.params is None or count_pruned_parameters(network, pattern) <= spec.budgets.params


def _project(
    spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData, limit: int, openable: GatePattern | None
) -> None:
    importance = _importance(spec, network, data)
    network.cpu().eval()
    pattern = project_to_budgets(
        network, limit, param_budget=spec.budgets.params, importance=importance, openable=openable
    )
    network.set_gate_pattern(pattern)


def _importance(spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData) -> tuple[torch.Tensor, ...] | None:
    if spec.gates.importance == "logit":
        return None
    runtime = resolve_runtime(spec.train)
    runtime.place_network(network)
    network.eval()
    tasks = spec.architecture.tasks
    batches = epoch_batches(data.train, tasks, batch_size=spec.train.batch_size, seed=spec.train.seed, epoch=0)
    first = islice(batches, _SENSITIVITY_BATCHES)
    parts = (part for batch in first for part in split_batch(batch, spec.train.samples_at_once))
    return gate_sensitivity(network, parts, tasks, runtime=runtime)
