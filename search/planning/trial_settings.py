"""TrialSettings: the settings of one trial."""

from dataclasses import dataclass

from gatefront.search.planning.capacities import Capacity
from gatefront.trainer.config import DistillationConfig, GateConfig, TrainConfig
from gatefront.trainer.trial.family_config import FamilyChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """Decoded point of the search space.

    ``flop_target`` is in FLOPs; None means that only the budget bounds the trial. ``family`` is None for InterroGate.
    For any other family ``gates`` have no meaning. ``distillation`` is None for a training on labels alone.
    """

    capacity: Capacity
    train: TrainConfig
    gates: GateConfig
    flop_target: int | None
    family: FamilyChoice | None = None
    distillation: DistillationConfig | None = None
