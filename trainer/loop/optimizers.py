"""AdamW with a group for each kind of parameter, and the learning rate schedule of a run."""

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from gatefront.trainer.config import TrainConfig

_POLY_POWER = 0.9


def build_optimizer(
    network: nn.Module,
    config: TrainConfig,
    *,
    gate_parameters: Iterable[nn.Parameter] = (),
    gate_learning_rate: float = 0.0,
    weighting_parameters: Iterable[nn.Parameter] = (),
) -> AdamW:
    """Build AdamW over all parameters that learn: weights, norms and biases without decay, gates at their own rate.

    Parameters of a weighting learn at the weights' rate, without decay.
    """
    gates = [parameter for parameter in gate_parameters if parameter.requires_grad]
    gate_ids = {id(parameter) for parameter in gates}
    others = [
        parameter for parameter in network.parameters() if parameter.requires_grad and id(parameter) not in gate_ids
    ]
    weights = [parameter for parameter in others if parameter.ndim > 1]
    norms_and_biases = [parameter for parameter in others if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "lr": config.learning_rate, "weight_decay": config.weight_decay},
        {"params": norms_and_biases, "lr": config.learning_rate, "weight_decay": 0.0},
        {"params": gates, "lr": gate_learning_rate, "weight_decay": 0.0},
        {"params": list(weighting_parameters), "lr": config.learning_rate, "weight_decay": 0.0},
    ]
    # Fused, because one call for each of a gated network's hundreds of small tensors costs more than the sums.
    return AdamW([group for group in groups if group["params"]], fused=True)


def build_schedule(optimizer: Optimizer, config: TrainConfig, num_steps: int) -> LRScheduler:
    """Build the schedule of each group's rate: ``one_cycle`` (up and down), ``poly`` ((1 - s/S)^0.9) or constant."""
    if config.schedule == "one_cycle":
        return OneCycleLR(optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=num_steps)
    if config.schedule == "poly":
        return LambdaLR(optimizer, lambda step: max(1 - step / num_steps, 0.0) ** _POLY_POWER)
    return LambdaLR(optimizer, lambda step: 1.0)
