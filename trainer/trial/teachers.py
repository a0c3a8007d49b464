"""Teachers of a trial: the single-task references that it is measured against."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from gatefront.spaces.networks.shared_network import build_shared_network
from gatefront.trainer.baselines.references import describe_reference
from gatefront.trainer.checkpoints.checkpoint import load_state
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.config import DistillationConfig, DistilledPhase, TrainConfig, TrainConfigError
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.distillation import Distillation
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.teachers import NetworkTeachers
from gatefront.trainer.trial.spec import TrainedReference


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTeachers:
    """Teachers of all trainings of a trial. Without a ``config`` there are none."""

    config: DistillationConfig | None = None
    networks: NetworkTeachers | None = None

    def distillation(self, phase: DistilledPhase) -> Distillation | None:
        """Return the distillation of a phase; None if the phase has none."""
        if self.config is None or self.networks is None or phase not in self.config.phases:
            return None
        return Distillation(teachers=self.networks, weight=self.config.weight, temperature=self.config.temperature)

    @property
    def first_cost(self) -> float:
        """FLOPs of the forward passes that are made once for all trainings, before the first."""
        return 0.0 if self.networks is None else self.networks.first_cost


def find_teachers(
    config: DistillationConfig | None,
    single_task: Mapping[str, TrainedReference],
    data: MultiTaskData,
    train: TrainConfig,
    *,
    cache_dir: Path,
) -> TrialTeachers:
    """Load the references that teach, and their outputs. Call it before a training is seeded.

    A reference that has not learned teaches nothing and is left out.

    Args:
        config: the distillation; None or a weight of 0 for none.
        single_task: the references by task, whose files lie beside their records.
        data: the data of the trial.
        train: the recipe of the trial.
        cache_dir: the folder of references and kept outputs.

    Raises:
        TrainConfigError: no reference has learned, or there is none.
        CheckpointError: a file of a reference is missing or damaged.
    """
    if config is None or config.weight == 0:
        return TrialTeachers()
    learned = {name: Path(one.path) for name, one in single_task.items() if one.has_learned}
    if not learned:
        raise TrainConfigError(
            f"Cannot distill: the teachers are single-task references that have learned (found {len(learned)} of "
            f"{len(single_task)}).",
            hint="Train the references for longer, or set distillation.weight = 0.",
        )
    networks: dict[str, nn.Module] = {}
    keys: dict[str, str] = {}
    for name, path in learned.items():
        keys[name], architecture = describe_reference(path)
        networks[name] = build_shared_network(architecture, [name])
        networks[name].load_state_dict(load_state(path))
    folder = cache_dir / "teachers" / hash_json({"references": keys, "data": data.fingerprint})[:32]
    teachers = NetworkTeachers(networks, data, resolve_runtime(train), folder=folder, batch_size=train.samples_at_once)
    return TrialTeachers(config=config, networks=teachers)
