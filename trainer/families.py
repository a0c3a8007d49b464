"""Training a network of another family, from the networks that its paper starts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from spaces.architecture import Architecture
from spaces.families import FAMILIES, FamilyNetwork, build_family
from spaces.flops import count_flops, count_parameters
from trainer.checkpoint import CheckpointSlot, load_state
from trainer.compatibility import image_shape, require_match
from trainer.config import TrainConfig
from trainer.content_hash import hash_json
from trainer.data.dataset import MultiTaskData
from trainer.loop import Strategy, train
from trainer.seeding import seed_everything
from trainer.training_cost import count_training_flops
from trainer.trial_spec import TrainedReference
from trainer.weighting import step_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyResult:
    """What a trained network of a family is worth and costs; ``train_flops`` without the networks it started from."""

    metrics: Mapping[str, float]
    flops: int
    num_parameters: int
    train_flops: float
    seconds: float


def train_family(
    family: str,
    architecture: Architecture,
    data: MultiTaskData,
    config: TrainConfig,
    *,
    single_task: Mapping[str, TrainedReference],
    hard_sharing: TrainedReference | None,
    work_dir: Path,
) -> FamilyResult:
    """Train, going on from the checkpoint that ``work_dir`` holds.

    Raises:
        SpaceError: there is no such family, or it does not work on this backbone.
        DataError: the data does not fit the architecture.
        DivergedError: the training diverged.
    """
    require_match(architecture, data.description)
    work_dir.mkdir(parents=True, exist_ok=True)
    seed_everything(config.seed)
    network = build_family(family, architecture)
    _load_references(network, FAMILIES[family].starts_from, single_task, hard_sharing)
    key = hash_json({"family": family, "architecture": architecture.to_json(), "train": config.to_json()})
    slot = CheckpointSlot(path=work_dir / "checkpoint.pt", key=key)
    # What mixes tasks is drawn to nothing by weight decay, and is no weight.
    strategy = Strategy(gate_parameters=tuple(network.mixing_parameters()), gate_learning_rate=config.learning_rate)
    outcome = train(network, data, config, tasks=architecture.tasks, strategy=strategy, slot=slot)
    shape = image_shape(data.description)
    cost = step_cost(config.weighting, len(architecture.tasks))
    return FamilyResult(
        metrics=outcome.metrics,
        flops=count_flops(network.eval(), shape),
        num_parameters=count_parameters(network),
        train_flops=count_training_flops(network, shape, outcome.num_samples, step_cost=cost),
        seconds=outcome.seconds,
    )


def _load_references(
    network: FamilyNetwork,
    starts_from: tuple[str, ...],
    single_task: Mapping[str, TrainedReference],
    hard_sharing: TrainedReference | None,
) -> None:
    if not starts_from:
        return
    alone: dict[str, Mapping[str, Tensor]] = {}
    if "single_task" in starts_from:
        alone = {name: load_state(Path(reference.path)) for name, reference in single_task.items()}
    shared = None
    if "hard_sharing" in starts_from and hard_sharing is not None:
        shared = load_state(Path(hard_sharing.path))
    network.load_references(alone, shared)
