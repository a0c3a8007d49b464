"""Evaluation of a trained gated network: it is saved and pruned, its cost is counted again, its metrics measured."""

from dataclasses import dataclass
from pathlib import Path

from gatefront.spaces.errors import GatefrontError
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.spaces.graph.flop_counter import count_flops, count_parameters
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.spaces.pruning.plain_network import PlainNetwork
from gatefront.spaces.pruning.prune import prune_network
from gatefront.trainer.checkpoints.checkpoint import save_network
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.metrics.delta_mtl import DeltaMtl, delta_mtl
from gatefront.trainer.trial.spec import TrialSpec


class PruningMismatchError(GatefrontError, RuntimeError):
    """Error for a pruned network whose cost differs from that of its gates or exceeds the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Pruned network, measured on the validation split. FLOPs are 2 per multiply-add, batch 1."""

    metrics: dict[str, float]
    delta: DeltaMtl
    flops: int
    num_parameters: int
    gate_map: GateMap
    path: Path


def deliver(
    spec: TrialSpec, network: InterroGateNetwork, data: MultiTaskData, path: Path, *, flop_limit: int | None
) -> Delivery:
    """Write the gated network to ``path`` and measure its pruned form. ``network`` ends on the CPU.

    Raises:
        PruningMismatchError: the pruned network's cost differs from that of its gates or exceeds a limit.
        DivergedError: a prediction is not finite.
    """
    # Pruning folds weights on the CPU, where the traced examples are.
    network.cpu().eval()
    save_network(network, path)
    pruned = prune_network(network)
    flops = _checked_flops(spec, network, pruned, flop_limit)
    num_parameters = _checked_parameters(spec, pruned)
    metrics = _evaluate(spec, pruned, data)
    return Delivery(
        metrics=metrics,
        delta=delta_mtl(spec.ranked_tasks, metrics, spec.single_task_metrics()),
        flops=flops,
        num_parameters=num_parameters,
        gate_map=network.gate_map(),
        path=path,
    )


def _checked_flops(spec: TrialSpec, network: InterroGateNetwork, pruned: PlainNetwork, flop_limit: int | None) -> int:
    """Return the pruned network's own count, which must equal that of the gates and keep the limit."""
    flops = count_flops(pruned, (spec.architecture.in_channels, *spec.architecture.input_size))
    if flops != network.flops():
        raise PruningMismatchError(f"the pruned network costs {flops:,} FLOPs, its gates said {network.flops():,}.")
    if flop_limit is not None and flops > flop_limit:
        raise PruningMismatchError(f"the pruned network costs {flops:,} FLOPs, over the {flop_limit:,} asked for.")
    return flops


def _checked_parameters(spec: TrialSpec, pruned: PlainNetwork) -> int:
    count = count_parameters(pruned)
    if spec.budgets.params is not None and count > spec.budgets.params:
        raise PruningMismatchError(
            f"the pruned network has {count:,} parameters, over param_budget = {spec.budgets.params:,}."
        )
    return count


def _evaluate(spec: TrialSpec, pruned: PlainNetwork, data: MultiTaskData) -> dict[str, float]:
    runtime = resolve_runtime(spec.train)
    runtime.place_network(pruned)
    size = spec.train.samples_at_once
    return dict(evaluate(pruned, data.val, spec.architecture.tasks, runtime=runtime, batch_size=size).metrics)
