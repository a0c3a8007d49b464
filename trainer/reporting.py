"""What a training says while it runs and when it ends. Implemented by a caller; the loop knows no study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.gating.gate_map import GateMap

Phase = Literal["sparse", "train", "finetune", "derive"]
"""LOMT looks for layers with a sparse network per task; the network trains, its gates with it; the cut network trains
on; it is cut further and trains on, once per derived point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """One finished epoch. ``epoch`` counts from 1 over all phases; ``flops`` is the pruned network's, now.

    ``gates`` are the hard gates as they stand then; None for a network without gates.
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


class Reporter(Protocol):
    """Called after every epoch; may raise :class:`StopTraining` to end the run after its checkpoint."""

    def __call__(self, report: EpochReport, /) -> None: ...


class StopTraining(Exception):
    """Raised by a reporter: the run was asked to end. The checkpoint on disk continues it later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceResult:
    """A trained reference: one task alone (``kind="single_task"``) or all sharing everything.

    ``metrics`` is per task, measured on the validation split; ``train_flops`` is what training cost, as
    3 x forward FLOPs x samples; ``path`` is the weights file. ``constant_metrics`` is what the best constant prediction
    scores on the same split: a network of one task alone that is not better has not learned. Empty: not known.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkResult:
    """One network of a trial, measured pruned on the validation split.

    ``index`` 0 is the trial's own network. Higher ones are derived from it: the learned gates, projected to a smaller
    budget and fine-tuned. ``delta_mtl`` is in percent; positive is better than single-task. ``delta_per_task`` are its
    terms: a task whose single-task network has not learned has none. ``flops`` is at most ``flop_target``, if there is
    one. ``seconds`` and ``train_flops`` are this network's share of the trial. Families without gates have no
    ``gate_map``. ``latency_ms`` is for a caller that times the pruned network; training leaves it None.
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
    """All that one trial delivers: its own network and those ``derived`` from it.

    ``flops_before_cut`` is what the gates chose before they were projected to ``flop_target`` and ``flop_budget``.
    """

    flop_budget: int | None
    flops_before_cut: int
    device: str
    peak_memory_mib: float
    environment: Mapping[str, str]
    derived: tuple[NetworkResult, ...] = ()

    @property
    def networks(self) -> tuple[NetworkResult, ...]:
        """The trial's own network, then the derived ones."""
        return (self, *self.derived)
