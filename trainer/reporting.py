"""Reports of a training while it runs, and its results. A caller implements the reporter. The loop knows no study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.gating.gate_map import GateMap

Phase = Literal["sparse", "train", "finetune", "derive"]
"""Phases of a training.

In ``sparse`` LOMT finds layers with a sparse network per task. In ``train`` the network trains with its gates. In
``finetune`` it trains further after the projection to the budget. In ``derive`` it is projected to a smaller budget and
trains further, once per derived point.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """Finished epoch. ``epoch`` counts from 1 over all phases. ``flops`` is the present cost of the pruned network.

    ``losses`` are those of the training batches, ``val_losses`` those of the tasks on the validation split, as
    ``metrics`` are. ``gates`` are the hard gates after this epoch; None for a network without gates.
    """

    epoch: int
    num_epochs: int
    phase: Phase
    losses: Mapping[str, float]
    metrics: Mapping[str, float]
    learning_rate: float
    seconds: float
    delta_mtl: float | None = None
    flops: int | None = None
    gates: GateCounts | None = None
    val_losses: Mapping[str, float] = field(default_factory=dict)


class Reporter(Protocol):
    """Function called after every epoch. It may raise :class:`StopTraining` to end the run after its checkpoint."""

    def __call__(self, report: EpochReport, /) -> None: ...


class StopTraining(Exception):
    """Request of a reporter to end the run, which the checkpoint on disk can resume later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceResult:
    """Trained reference: one task alone (``kind="single_task"``) or all sharing everything.

    ``metrics`` are per task, on the validation split, after ``best_epoch`` of ``epochs``; these are 0 in records of
    earlier releases. ``train_flops`` is the cost of training, 3 x forward FLOPs x samples. ``lengths`` lists the epochs
    of all trainings that were tried, whose costs and seconds add up. ``path`` is the weights file. ``constant_metrics``
    are the scores of the best constant prediction on the same split; empty if not known. A single-task network that is
    no better than that has not learned. ``test_metrics`` are on the test split; empty without one.
    """

    kind: Literal["single_task", "hard_sharing"]
    key: str
    tasks: tuple[str, ...]
    metrics: Mapping[str, float]
    flops: int
    num_parameters: int
    seconds: float
    train_flops: float
    path: str
    from_cache: bool
    constant_metrics: Mapping[str, float] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int = 0
    lengths: tuple[int, ...] = ()
    test_metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkResult:
    """Network of a trial, measured pruned on the validation split.

    ``index`` 0 is the trial's own network. Higher ones are derived from it: the learned gates, projected to a smaller
    budget and fine-tuned. ``delta_mtl`` is in percent; positive is better than single-task. ``delta_per_task`` are its
    terms, without tasks whose single-task network has not learned. ``flops`` is at most ``flop_target``, if there is
    one. ``seconds`` and ``train_flops`` are this network's share of the trial. ``gate_map`` is None for families
    without gates. ``latency_ms`` is set by a caller that times the pruned network; training leaves it None.
    """

    index: int = 0
    flop_target: int | None = None
    metrics: Mapping[str, float]
    delta_per_task: Mapping[str, float]
    delta_mtl: float
    flops: int
    num_parameters: int
    gate_map: GateMap | None
    seconds: float
    train_flops: float
    network_path: str
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult(NetworkResult):
    """Result of one trial: its own network and those ``derived`` from it.

    ``flops_before_cut`` is the cost of the learned gates before the projection to ``flop_target`` and ``flop_budget``.
    """

    flop_budget: int | None
    flops_before_cut: int
    device: str
    peak_memory_mib: float
    environment: Mapping[str, str]
    derived: tuple[NetworkResult, ...] = ()

    @property
    def networks(self) -> tuple[NetworkResult, ...]:
        """The trial's own network, followed by the derived ones."""
        return (self, *self.derived)
