"""LOMT's first step: a sparse network per task, whose empty last layers show where the task's decoder attaches."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task, safe_names
from gatefront.spaces.families.attachment import find_attachment
from gatefront.spaces.json_codec import to_json
from gatefront.spaces.networks.shared_network import build_shared_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointSlot
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.config import TrainConfig, TrainConfigError
from gatefront.trainer.data.compatibility import image_shape
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.train import train
from gatefront.trainer.loop.training_cost import count_training_flops
from gatefront.trainer.reporting import EpochReport, Reporter
from gatefront.trainer.trial.families.defaults import SPARSITY
from gatefront.trainer.trial.families.proximal import GroupSparsity


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSearch:
    """Training of the sparse networks: their recipe, and λ, the strength of group sparsity."""

    train: TrainConfig
    sparsity: float = SPARSITY

    def __post_init__(self) -> None:
        if not self.sparsity > 0:
            raise TrainConfigError(f"lomt's sparsity must be above 0, found {self.sparsity}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLayers:
    """Layers that were found, and their cost. :func:`gatefront.spaces.families.build_lomt` takes ``attachments``."""

    attachments: Mapping[str, str]
    train_flops: float
    seconds: float


def search_layers(
    architecture: Architecture,
    data: MultiTaskData,
    search: LayerSearch,
    *,
    work_dir: Path,
    reporter: Reporter | None = None,
) -> FoundLayers:
    """Train one sparse network per task, resuming from the checkpoints in ``work_dir``, and apply the rule.

    The reporter receives one network after the other. Its epochs count over all of them, and its metrics are those of
    the one task.

    Raises:
        SpaceError: decoders cannot be attached to this backbone's layers.
        DivergedError: a training diverged.
    """
    attachments: dict[str, str] = {}
    names, train_flops, seconds = safe_names(architecture.task_names), 0.0, 0.0
    for position, task in enumerate(architecture.tasks):
        told = None if reporter is None else _counting_from(position, architecture, search, reporter)
        path = work_dir / f"sparse-{names[position]}.pt"
        place, cost, took = _search_layer(architecture, task, data, search, path, told)
        attachments[task.name] = place
        train_flops, seconds = train_flops + cost, seconds + took
    return FoundLayers(attachments=attachments, train_flops=train_flops, seconds=seconds)


def _counting_from(position: int, architecture: Architecture, search: LayerSearch, reporter: Reporter) -> Reporter:
    """Return a reporter that counts the epochs of the network at this position, from 0, over all networks."""
    epochs = search.train.epochs

    def report(own: EpochReport, /) -> None:
        reporter(replace(own, epoch=position * epochs + own.epoch, num_epochs=len(architecture.tasks) * epochs))

    return report


def _search_layer(
    architecture: Architecture,
    task: Task,
    data: MultiTaskData,
    search: LayerSearch,
    checkpoint: Path,
    reporter: Reporter | None,
) -> tuple[str, float, float]:
    """Return the task's layer, and the FLOPs and seconds of its network."""
    # As for a single-task reference, a task alone is not weighed against others.
    task, config = replace(task, weight=1.0), replace(search.train, weighting="scalar")
    seed_everything(config.seed)
    network = build_shared_network(architecture, [task.name])
    recipe = {"task": task.name, "train": to_json(config), "sparsity": search.sparsity}
    key = hash_json(recipe | {"architecture": to_json(architecture)})
    slot = CheckpointSlot(path=checkpoint, key=key)
    # Decoders stay dense, because only the encoder's layers are searched.
    step = GroupSparsity(network.encoder, search.sparsity)
    strategy = Strategy(phase="sparse", after_step=step, keeps_best=False)
    outcome = train(network, data, config, tasks=[task], strategy=strategy, reporter=reporter, slot=slot)
    cost = count_training_flops(network, image_shape(data.description), outcome.num_samples)
    return find_attachment(network.encoder, architecture, task), cost, outcome.seconds
