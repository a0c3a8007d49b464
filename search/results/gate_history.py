"""GateHistory: how the gates of one trial stood after each of its epochs."""

from dataclasses import dataclass

from gatefront.spaces.gating.gate_counts import GateCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochGates:
    """The hard gates after one epoch; in the phases ``finetune`` and ``derive`` they are frozen."""

    epoch: int
    phase: str
    gates: GateCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class GateHistory:
    """All epochs of one trial of which the gates are known, in order: none of a trial of an earlier gatefront."""

    num_epochs: int
    epochs: tuple[EpochGates, ...]
