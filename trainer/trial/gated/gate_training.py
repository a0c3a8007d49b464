"""The two phases of a trial as strategies of the one loop: learn the gates, then fine-tune with gates frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.optim import Optimizer

from gatefront.spaces.gating.regularizers import hinge_sparsity
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.trainer.config import GateConfig, TrainConfig, TrainConfigError
from gatefront.trainer.loop.distillation import Distillation
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.reporting import Phase
from gatefront.trainer.trial.gated.flop_control import FlopControl

SPARSITY = "sparsity"
"""Name of the sparsity term among the losses of a report. Its value includes λ_s."""

_WARM_UP = 0.1  # share of the steps over which λ_s rises from 0


def learn_gates(
    network: InterroGateNetwork,
    config: GateConfig,
    *,
    target: int | None,
    num_steps: int,
    distillation: Distillation | None = None,
) -> Strategy:
    """Return the strategy that learns weights and gates together.

    The hinge, or the distance to the FLOPs of ``target``, penalizes gates that are not shared. λ_s rises linearly over
    the first tenth of the steps, because gates should only close once the branches differ.
    """
    control = None
    if config.sparsity == "expected_flops":
        if target is None:
            raise TrainConfigError(
                'gates.sparsity "expected_flops" needs a flop_target, found none.', hint="Give the trial one."
            )
        control = FlopControl(network, target, rho=config.lambda_s, num_steps=num_steps)

    def sparsity(progress: float, losses: Sequence[Tensor]) -> Mapping[str, Tensor]:
        if control is not None:
            return {SPARSITY: control.loss(progress, losses)}
        lambda_s = config.lambda_s * min(progress / _WARM_UP, 1.0)
        return {SPARSITY: lambda_s * hinge_sparsity(network.channel_gates(), config.tau)}

    def after_step(_: Optimizer) -> None:
        network.clamp_logits(config.max_logit)
        if control is not None:
            control.after_step()

    return Strategy(
        phase="train",
        gate_parameters=tuple(network.gate_parameters()),
        gate_learning_rate=config.learning_rate,
        extra_loss=sparsity,
        after_step=after_step,
        memory=control,
        keeps_best=False,
        distillation=distillation,
    )


def finetune(
    network: nn.Module, config: GateConfig, *, phase: Phase = "finetune", distillation: Distillation | None = None
) -> Strategy:
    """Return the strategy that trains weights, and the mixing logits of a gated network. Frozen gates keep its cost."""
    gate_parameters = tuple(network.gate_parameters()) if isinstance(network, InterroGateNetwork) else ()
    return Strategy(
        phase=phase,
        gate_parameters=gate_parameters,
        gate_learning_rate=config.finetune_rate * config.learning_rate,
        distillation=distillation,
    )


def finetune_config(train: TrainConfig, gates: GateConfig) -> TrainConfig:
    """Return a config with its own schedule at ``finetune_rate`` times the learning rate.

    It has another seed, so that fine-tuning does not see the first epochs' batches again in the same order.
    """
    return replace(
        train,
        epochs=gates.finetune_epochs,
        learning_rate=gates.finetune_rate * train.learning_rate,
        seed=train.seed + 1,
    )


def derived_config(train: TrainConfig, gates: GateConfig, index: int) -> TrainConfig:
    """Return the :func:`finetune_config` for the few epochs after a further projection."""
    return replace(finetune_config(train, gates), epochs=gates.derived_epochs, seed=train.seed + 1 + index)
