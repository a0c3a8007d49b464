"""Settings for the training of one network and its gates, checked on construction."""

import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gatefront.spaces.errors import GatefrontError
from gatefront.spaces.gating.gate_layout import Estimator, GateLayout, Granularity
from gatefront.spaces.json_codec import OMIT_DEFAULT, to_json

Schedule = Literal["one_cycle", "poly", "constant"]
Precision = Literal["auto", "fp32", "bf16"]
KeptEpoch = Literal["best", "last"]
Sparsity = Literal["hinge", "expected_flops"]
WeightingName = Literal[
    "scalar",
    "uniform",
    "dwa",
    "uncertainty",
    "uw-so",
    "rlw",
    "imtl-l",
    "stch",
    "gls",
    "famo",
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
    "mgda-ub",
    "auto-lambda",
]
Importance = Literal["logit", "sensitivity"]
DistilledPhase = Literal["gates", "weights"]

MACHINE_ONLY: Final = ("device", "num_threads", "num_loader_workers", "checkpoint_activations")
"""Fields of a :class:`TrainConfig` that change how a training runs, but not its result."""

_ADDITIVE: tuple[WeightingName, ...] = ("scalar", "uniform")


class TrainConfigError(GatefrontError, ValueError):
    """Error for a training setting outside its range."""


def _check(owner: str, name: str, value: float, rule: str, holds: bool) -> None:
    if not (math.isfinite(value) and holds):
        raise TrainConfigError(f"{owner}.{name} must be {rule}, found {value}.")


def require_additive(weighting: WeightingName) -> None:
    """Raise :class:`TrainConfigError` if parts of a batch do not add up to the weighting's gradient."""
    if weighting not in _ADDITIVE:
        raise TrainConfigError(
            f'train.weighting "{weighting}" weighs the losses or gradients of whole batches, which '
            "train.micro_batch_size computes in parts.",
            hint='Choose "scalar" or "uniform", or leave micro_batch_size out.',
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Settings of the training loop.

    ``precision="auto"`` is bfloat16 autocast on a GPU that has it, float32 elsewhere. ``device="auto"`` is the first
    visible GPU, else the CPU. ``weighting`` names the method that makes one update of the tasks' losses; ``"scalar"``
    sums them with the tasks' weights. ``checkpoint_activations`` saves memory while gates are learned, at about one
    more forward pass per step. With ``micro_batch_size`` at most that many samples are computed at a time. Their
    gradients add up to those of the batch, and batch norms see the smaller parts.

    ``ema`` is the decay of the moving average of weights that is kept instead of the weights themselves; 0 for none.
    Phases that end with their last weights have none. ``dropout`` is the probability of that on the input of every
    task's last layer. ``label_smoothing`` is the share of class labels that is spread over all classes. ``keep`` names
    the epoch whose weights a training ends with, unless its phase ends with its last weights in any case.
    """

    epochs: int
    batch_size: int
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    schedule: Schedule = "one_cycle"
    gradient_clip: float | None = None
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    num_threads: int = 1
    num_loader_workers: int = 0
    checkpoint_activations: bool = False
    micro_batch_size: int | None = field(default=None, metadata=OMIT_DEFAULT)
    weighting: WeightingName = "scalar"
    ema: float = field(default=0.0, metadata=OMIT_DEFAULT)
    dropout: float = field(default=0.0, metadata=OMIT_DEFAULT)
    label_smoothing: float = field(default=0.0, metadata=OMIT_DEFAULT)
    keep: KeptEpoch = field(default="best", metadata=OMIT_DEFAULT)

    def __post_init__(self) -> None:
        _check("train", "epochs", self.epochs, "at least 1", self.epochs >= 1)
        _check("train", "batch_size", self.batch_size, "at least 1", self.batch_size >= 1)
        if self.micro_batch_size is not None:
            _check("train", "micro_batch_size", self.micro_batch_size, "at least 1", self.micro_batch_size >= 1)
            require_additive(self.weighting)
        _check("train", "learning_rate", self.learning_rate, "above 0", self.learning_rate > 0)
        _check("train", "weight_decay", self.weight_decay, "at least 0", self.weight_decay >= 0)
        _check("train", "ema", self.ema, "at least 0 and below 1", 0 <= self.ema < 1)
        _check("train", "dropout", self.dropout, "at least 0 and below 1", 0 <= self.dropout < 1)
        _check(
            "train", "label_smoothing", self.label_smoothing, "at least 0 and below 1", 0 <= self.label_smoothing < 1
        )
        _check("train", "num_threads", self.num_threads, "at least 1", self.num_threads >= 1)

    @property
    def samples_at_once(self) -> int:
        """Number of samples that are computed at a time."""
        return self.batch_size if self.micro_batch_size is None else min(self.batch_size, self.micro_batch_size)

    def recipe(self) -> dict[str, Any]:
        """Return the settings that determine the result, as a document: all but those of the machine."""
        return {name: value for name, value in to_json(self).items() if name not in MACHINE_ONLY}


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationConfig:
    """Settings of distillation from the single-task references.

    Each task's loss is ``(1 - weight)`` times that against the labels plus ``weight`` times that against the reference.
    ``temperature`` softens logits. Of the ``phases``, ``"gates"`` is that in which gates are learned, and ``"weights"``
    is any other: fine-tuning, derived points, and the whole training of a family without gates.
    """

    weight: float
    temperature: float = 2.0
    phases: tuple[DistilledPhase, ...] = ("gates", "weights")

    def __post_init__(self) -> None:
        _check("distillation", "weight", self.weight, "between 0 and 1", 0 <= self.weight <= 1)
        _check("distillation", "temperature", self.temperature, "above 0", self.temperature > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """Settings for learning the gates (InterroGate, Eqs. 1-5) and for meeting the budget.

    ``sparsity`` names the penalty towards sharing, weighted by ``lambda_s``. One is the paper's hinge on ``tau``, which
    has one target per task, in task order: the fraction of channels that a task may keep for itself. The other is the
    distance of the expected FLOPs from the trial's ``flop_target``. ``learning_rate`` applies to the gates, which have
    no weight decay. ``importance`` orders the gates if not all can stay open.

    ``finetune_epochs`` are trained with frozen gates after the projection to the budget. Their own schedule peaks at
    ``finetune_rate`` times the learning rate. Then the network is projected to ``derived_points`` smaller budgets, one
    after the other, and trained for ``derived_epochs`` more each time. ``granularity`` and ``channel_group`` set where
    gates sit.
    """

    tau: tuple[float, ...]
    lambda_s: float
    learning_rate: float = 0.1
    initial_logit: float = 1.0
    max_logit: float = 4.0
    finetune_epochs: int = 1
    finetune_rate: float = 1.0
    granularity: Granularity = "conv"
    channel_group: int = 1
    sparsity: Sparsity = "hinge"
    estimator: Estimator = "straight_through"
    importance: Importance = "logit"
    derived_points: int = 0
    derived_epochs: int = 4

    def __post_init__(self) -> None:
        self.layout()  # refuses what it cannot be
        for value in self.tau:
            _check("gates", "tau", value, "between 0 and 1", 0 <= value <= 1)
        _check("gates", "lambda_s", self.lambda_s, "at least 0", self.lambda_s >= 0)
        _check("gates", "learning_rate", self.learning_rate, "above 0", self.learning_rate > 0)
        _check("gates", "finetune_epochs", self.finetune_epochs, "at least 0", self.finetune_epochs >= 0)
        _check("gates", "finetune_rate", self.finetune_rate, "above 0", self.finetune_rate > 0)
        _check("gates", "derived_points", self.derived_points, "at least 0", self.derived_points >= 0)
        _check("gates", "derived_epochs", self.derived_epochs, "at least 0", self.derived_epochs >= 0)

    def layout(self) -> GateLayout:
        """Return where gates sit and how many channels each gate controls."""
        return GateLayout(granularity=self.granularity, channel_group=self.channel_group)
