"""Training of a network of another family, from the networks that its paper starts from."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.families import FAMILIES, FamilyNetwork, build_family
from gatefront.spaces.graph.flop_counter import count_flops, count_parameters
from gatefront.spaces.json_codec import to_json
from gatefront.trainer.checkpoints.checkpoint import CheckpointSlot, load_state
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.checkpoints.initial_network import InitialNetwork, load_initial_family
from gatefront.trainer.checkpoints.network_file import save_family
from gatefront.trainer.config import DistillationConfig, TrainConfig, TrainConfigError
from gatefront.trainer.data.compatibility import image_shape, require_match
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.train import train
from gatefront.trainer.loop.training_cost import count_training_flops
from gatefront.trainer.reporting import Reporter
from gatefront.trainer.trial.families.lomt_layer_search import FoundLayers, LayerSearch, search_layers
from gatefront.trainer.trial.spec import NETWORK_FILE, TrainedReference
from gatefront.trainer.trial.teachers import TrialTeachers
from gatefront.trainer.weighting import step_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilySpec:
    """Specification of a family's network to train.

    ``settings`` are those of its builder. ``single_task`` are the networks of every task alone, for families that start
    from them. ``layer_search`` sets how LOMT finds its layers. ``initial`` replaces both. ``compute`` is in FLOPs of
    forward passes per training sample. If it is given, the network trains for as many epochs as cost no less, instead
    of ``train.epochs``.
    """

    family: str
    architecture: Architecture
    train: TrainConfig
    single_task: Mapping[str, TrainedReference]
    settings: Mapping[str, Any] = field(default_factory=dict)
    layer_search: LayerSearch | None = None
    initial: InitialNetwork | None = None
    compute: float | None = None

    def __post_init__(self) -> None:
        if self.family == "lomt" and self.layer_search is None and self.initial is None:
            raise TrainConfigError("lomt needs a layer_search, found none.", hint="Say how its sparse networks train.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyResult:
    """Quality and costs of a trained network of a family. ``train_flops`` excludes the networks it started from."""

    metrics: Mapping[str, float]
    flops: int
    num_parameters: int
    train_flops: float
    seconds: float


Begin = Callable[[int, int], Reporter | None]
"""Function that receives the network's FLOPs and parameters before training, and returns the reporter of its epochs."""


def train_family(
    spec: FamilySpec,
    data: MultiTaskData,
    work_dir: Path,
    *,
    begin: Begin | None = None,
    search_reporter: Reporter | None = None,
    teachers: TrialTeachers | None = None,
) -> FamilyResult:
    """Train, resuming from the checkpoints in ``work_dir``, and write ``work_dir/network.pt``.

    The result includes the cost of finding LOMT's layers. ``search_reporter`` receives those epochs, before ``begin``
    is called. ``teachers`` distill into the network, and their forward passes are part of its cost.

    Raises:
        SpaceError: there is no such family, or it does not work on this backbone.
        DataError: the data does not fit the architecture.
        DivergedError: the training diverged.
    """
    require_match(spec.architecture, data.description)
    work_dir.mkdir(parents=True, exist_ok=True)
    found = _find_layers(spec, data, work_dir, search_reporter)
    network = _build(spec, found)
    shape, cost = image_shape(data.description), step_cost(spec.train.weighting, len(spec.architecture.tasks))
    config, flops, num_parameters = spec.train, count_flops(network, shape), count_parameters(network)
    if spec.compute is not None:
        config = replace(config, epochs=math.ceil(spec.compute / (cost * flops)))
    reporter = None if begin is None else begin(flops, num_parameters)
    teachers = teachers or TrialTeachers()
    distillation = teachers.distillation("weights")
    slot = CheckpointSlot(path=work_dir / "checkpoint.pt", key=_key(spec, network, config, teachers.config))
    # Mixing parameters are no weights, and weight decay would draw them to zero.
    strategy = Strategy(
        gate_parameters=tuple(network.mixing_parameters()),
        gate_learning_rate=config.learning_rate,
        distillation=distillation,
    )
    tasks = spec.architecture.tasks
    outcome = train(network, data, config, tasks=tasks, strategy=strategy, reporter=reporter, slot=slot)
    save_family(spec.family, network.cpu().eval(), work_dir / NETWORK_FILE)
    train_flops = count_training_flops(network, shape, outcome.num_samples, step_cost=cost) + teachers.first_cost
    if distillation is not None:
        train_flops += distillation.teachers.running_cost(outcome.num_samples)
    return FamilyResult(
        metrics=outcome.metrics,
        flops=flops,
        num_parameters=num_parameters,
        train_flops=found.train_flops + train_flops,
        seconds=found.seconds + outcome.seconds,
    )


def _find_layers(spec: FamilySpec, data: MultiTaskData, work_dir: Path, reporter: Reporter | None) -> FoundLayers:
    if spec.layer_search is None or spec.initial is not None:
        return FoundLayers(attachments={}, train_flops=0.0, seconds=0.0)
    return search_layers(spec.architecture, data, spec.layer_search, work_dir=work_dir, reporter=reporter)


def _build(spec: FamilySpec, found: FoundLayers) -> FamilyNetwork:
    seed_everything(spec.train.seed)
    if spec.initial is not None:
        network = load_initial_family(spec.initial, spec.family, spec.architecture, spec.settings)
    else:
        network = _build_untrained(spec, found)
    if spec.train.checkpoint_activations:
        network.checkpoint_activations()
    return network


def _build_untrained(spec: FamilySpec, found: FoundLayers) -> FamilyNetwork:
    """Build the network with the weights that its paper starts from."""
    settings = dict(spec.settings)
    if spec.layer_search is not None:
        settings["attachments"] = found.attachments
    network = build_family(spec.family, spec.architecture, settings)
    if FAMILIES[spec.family].starts_from:
        network.load_references({name: load_state(Path(one.path)) for name, one in spec.single_task.items()}, None)
    return network


def _key(spec: FamilySpec, network: FamilyNetwork, config: TrainConfig, distillation: DistillationConfig | None) -> str:
    document = {"family": spec.family, "architecture": to_json(spec.architecture), "settings": network.settings}
    if distillation is not None:  # keys of trainings without one stay as earlier releases had them
        document["distillation"] = to_json(distillation)
    return hash_json(document | {"train": to_json(config)})
