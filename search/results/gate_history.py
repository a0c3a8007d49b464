"""GateHistory: the gates of one trial after each of its epochs."""

from dataclasses import dataclass

from gatefront.spaces.gating.gate_counts import GateCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochGates:
    """Hard gates after one epoch. In the phases ``finetune`` and ``derive`` they are frozen."""

    epoch: int
    phase: str
    gates: GateCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class GateHistory:
    """Epochs of one trial whose gates are known, in order. Trials of an earlier gatefront have none."""

    num_epochs: int
    epochs: tuple[EpochGates, ...]
