"""The two phases of a trial as strategies of the one loop: learn the gates, then fine-tune with gates frozen."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from spaces.interrogate import InterroGateNetwork
from spaces.regularizers import hinge_sparsity
from trainer.config import GateConfig, TrainConfig
from trainer.loop import Strategy

SPARSITY = "sparsity"
"""Name of the hinge's term among the losses of a report; λ_s is part of the value."""

_WARM_UP = 0.1  # share of the steps over which λ_s rises from 0


def learn_gates(network: InterroGateNetwork, config: GateConfig) -> Strategy:
    """Weights and gates together, pushed towards sharing by λ_s times the hinge (InterroGate, Eq. 5).

    λ_s rises linearly over the first tenth of the steps: gates should close once the branches have something
    to choose between.
    """

    def sparsity(progress: float) -> Mapping[str, Tensor]:
        lambda_s = config.lambda_s * min(progress / _WARM_UP, 1.0)
        return {SPARSITY: lambda_s * hinge_sparsity(network.channel_gates(), config.tau)}

    def clamp() -> None:
        network.clamp_logits(config.max_logit)

    return Strategy(
        phase="train",
        gate_parameters=tuple(network.gate_parameters()),
        gate_learning_rate=config.learning_rate,
        extra_loss=sparsity,
        after_step=clamp,
    )


def finetune(network: nn.Module, config: GateConfig) -> Strategy:
    """Weights only, and the mixing logits of a gated network; gates are frozen, so its cost stays what it is."""
    gate_parameters = tuple(network.gate_parameters()) if isinstance(network, InterroGateNetwork) else ()
    return Strategy(
        phase="finetune",
        gate_parameters=gate_parameters,
        gate_learning_rate=config.finetune_rate * config.learning_rate,
    )


def finetune_config(train: TrainConfig, gates: GateConfig) -> TrainConfig:
    """A schedule of its own at ``finetune_rate`` times the learning rate.

    Another seed, so that fine-tuning does not see the first epochs' batches again in the same order.
    """
    return replace(
        train,
        epochs=gates.finetune_epochs,
        learning_rate=gates.finetune_rate * train.learning_rate,
        seed=train.seed + 1,
    )
