"""Weightings by their names in study files."""

from collections.abc import Callable, Sequence
from typing import get_args

from torch import nn

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.config import TrainConfigError, WeightingName, require_additive
from gatefront.trainer.weighting.constant import ConstantWeighting
from gatefront.trainer.weighting.weighting import Weighting

WEIGHTINGS: tuple[WeightingName, ...] = get_args(WeightingName)

BY_GRADIENT: tuple[WeightingName, ...] = (
    "pcgrad",
    "cagrad",
    "mgda",
    "imtl-g",
    "aligned-mtl",
    "upgrad",
    "dualproj",
    "fairgrad",
    "nash-mtl",
    "config",
    "graddrop",
    "gradvac",
)
"""Weightings that combine the tasks' gradients, one backward pass per task."""


def build_weighting(name: WeightingName, network: nn.Module, tasks: Sequence[Task], *, num_steps: int) -> Weighting:
    """Build a weighting for one run of ``num_steps`` steps. A single task has a constant weight.

    Raises:
        TrainConfigError: the method does not apply to this network.
    """
    if name == "scalar":
        return ConstantWeighting([task.weight for task in tasks])
    if name == "uniform" or len(tasks) == 1:
        return ConstantWeighting([1.0] * len(tasks))
    return _from_torchjd(name, network, len(tasks), num_steps)


def require_weighting(name: WeightingName, *, for_gates: bool, checkpoints: bool, micro_batches: bool) -> None:
    """Raise :class:`TrainConfigError` for a method that does not work with gates, checkpointing or micro-batches."""
    if micro_batches:
        require_additive(name)
    if checkpoints and name == "auto-lambda":
        raise TrainConfigError(
            'train.weighting "auto-lambda" looks ahead with other weights than the network\'s own, and with '
            "train.checkpoint_activations its gradients would be computed again with the wrong ones.",
            hint="Leave checkpoint_activations out, or choose another weighting.",
        )
    if for_gates and name == "mgda-ub":
        raise TrainConfigError(
            'train.weighting "mgda-ub" needs one representation that all decoders read; with gates every task has its '
            "own.",
            hint='Choose "mgda".',
        )


def step_cost(name: WeightingName, num_tasks: int) -> float:
    """Return the FLOPs of one training step, as a multiple of a plain one's forward and backward pass."""
    if num_tasks == 1:
        return 1.0
    forward, backward = {
        **dict.fromkeys(BY_GRADIENT, (1, num_tasks)),
        "famo": (2, 1),  # once more after the update
        "mgda-ub": (1, 2),  # once more through the decoders; at most as much again
        "auto-lambda": (4, 3),
    }.get(name, (1, 1))
    return (forward + 2 * backward) / 3


def _from_torchjd(name: WeightingName, network: nn.Module, num_tasks: int, num_steps: int) -> Weighting:
    # They are imported here because TorchJD takes a second to import, and most processes never need it.
    from gatefront.trainer.weighting import auto_lambda, conflict, famo, mgda_ub, scalarization

    builders: dict[WeightingName, Callable[[], Weighting]] = {
        "dwa": lambda: scalarization.DynamicWeightAverage(num_tasks),
        "uncertainty": lambda: scalarization.UncertaintyWeighting(num_tasks),
        "rlw": scalarization.RandomWeighting,
        "uw-so": scalarization.AnalyticUncertainty,
        "imtl-l": lambda: scalarization.ImpartialLosses(num_tasks),
        "stch": scalarization.SmoothTchebycheff,
        "gls": scalarization.GeometricLosses,
        "famo": lambda: famo.FamoWeighting(network, num_tasks),
        "pcgrad": lambda: conflict.pcgrad(network),
        "cagrad": lambda: conflict.cagrad(network),
        "mgda": lambda: conflict.mgda(network),
        "imtl-g": lambda: conflict.imtl_g(network),
        "aligned-mtl": lambda: conflict.aligned_mtl(network),
        "upgrad": lambda: conflict.upgrad(network),
        "dualproj": lambda: conflict.dualproj(network),
        "nash-mtl": lambda: conflict.nash_mtl(network),
        "fairgrad": lambda: conflict.fairgrad(network),
        "config": lambda: conflict.config(network),
        "graddrop": lambda: conflict.graddrop(network),
        "gradvac": lambda: conflict.GradVacWeighting(network),
        "mgda-ub": lambda: mgda_ub.RepresentationWeighting(network),
        "auto-lambda": lambda: auto_lambda.AutoLambda(network, num_tasks, num_steps=num_steps),
    }
    return builders[name]()
