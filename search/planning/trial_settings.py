"""TrialSettings: the settings of one trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gatefront.search.planning.capacities import Capacity
from gatefront.spaces import Architecture
from gatefront.trainer.config import DistillationConfig, GateConfig, TrainConfig
from gatefront.trainer.trial.family_config import FamilyChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """Decoded point of the search space.

    ``flop_target`` is in FLOPs; None means that only the budget bounds the trial. ``family`` is None for InterroGate.
    For any other family ``gates`` have no meaning. ``distillation`` is None for a training on labels alone.
    ``task_weights`` replace those of the capacity's tasks, which are the references'.
    """

    capacity: Capacity
    train: TrainConfig
    gates: GateConfig
    flop_target: int | None
    family: FamilyChoice | None = None
    distillation: DistillationConfig | None = None
    task_weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def architecture(self) -> Architecture:
        """Architecture of the capacity with the trial's own weights of tasks."""
        tasks = self.capacity.architecture.tasks
        weighted = (replace(task, weight=self.task_weights.get(task.name, task.weight)) for task in tasks)
        return replace(self.capacity.architecture, tasks=tuple(weighted))
