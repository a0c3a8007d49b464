"""Fine-tuning with frozen gates: a compact copy without unread channels is trained and written back."""

import logging

from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.spaces.pruning.compact_network import compact_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointSlot
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.compatibility import image_shape
from gatefront.trainer.loop.train import TrainOutcome, train
from gatefront.trainer.loop.training_cost import count_training_flops
from gatefront.trainer.reporting import Phase, Reporter
from gatefront.trainer.trial.gated.gate_training import finetune
from gatefront.trainer.trial.loaded_trial import LoadedTrial
from gatefront.trainer.weighting import step_cost

logger = logging.getLogger(__name__)


def finetune_cut(
    trial: LoadedTrial,
    network: InterroGateNetwork,
    config: TrainConfig,
    *,
    phase: Phase,
    reporter: Reporter,
    slot: CheckpointSlot | None = None,
) -> tuple[TrainOutcome, float]:
    """Freeze the gates and train on the remaining channels. Return the outcome and the FLOPs of the training."""
    spec, data = trial.spec, trial.data
    network.cpu().freeze_gates()
    compact = compact_network(network)
    if compact is None:
        logger.info("A layer with weights runs twice in this backbone: fine-tuning keeps channels nobody reads.")
    trained = network if compact is None else compact
    distillation = trial.teachers.distillation("weights")
    outcome = train(
        trained,
        data,
        config,
        tasks=spec.architecture.tasks,
        strategy=finetune(trained, spec.gates, phase=phase, distillation=distillation),
        reporter=reporter,
        slot=slot,
    )
    if compact is not None:
        compact.write_back()
    cost = step_cost(config.weighting, len(spec.architecture.tasks))
    shape = image_shape(data.description)
    train_flops = count_training_flops(trained, shape, outcome.num_samples, step_cost=cost)
    if distillation is not None:
        train_flops += distillation.teachers.running_cost(outcome.num_samples)
    return outcome, train_flops
