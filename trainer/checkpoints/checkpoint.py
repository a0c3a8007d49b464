"""Files of a training: the checkpoint from which it resumes, and its final network."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import GatefrontError
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.spaces.networks.interrogate import InterroGateNetwork, build_gated_network
from gatefront.trainer.checkpoints.atomic_file import replacing
from gatefront.trainer.checkpoints.rotation import add_checkpoint_file, checkpoint_files, open_undamaged
from gatefront.trainer.reporting import Phase

logger = logging.getLogger(__name__)

DAMAGE = (RuntimeError, UnpicklingError, EOFError, KeyError, TypeError, ValueError)
"""Errors of torch.load and the constructors for a truncated file or one of another kind."""


class CheckpointError(GatefrontError, RuntimeError):
    """Error for a file of weights that is missing, damaged, or belongs to something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSlot:
    """Place of a run's checkpoint. ``key`` names the run, and no other run's checkpoint is used.

    ``path`` represents the files of :mod:`gatefront.trainer.checkpoints.rotation`. ``notes`` are numbers that the
    caller needs after a resume.
    """

    path: Path
    key: str
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """State of a training after ``epoch`` finished epochs of ``phase``. ``seconds`` were spent in that phase.

    ``memory`` is the strategy's state besides the network's parameters. ``weighting`` is the state of the weighting.
    ``best`` is that of :class:`gatefront.trainer.loop.best_epoch.BestEpoch`; files of earlier releases have none.
    ``average`` is the moving average of weights, if the training has one.
    """

    key: str
    phase: Phase
    epoch: int
    seconds: float
    notes: dict[str, float]
    memory: dict[str, float]
    weighting: dict[str, Any]
    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    random_state: dict[str, Tensor]
    best: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Add a checkpoint beside the last one, which remains if the process crashes meanwhile."""
    document = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    add_checkpoint_file(path, lambda fresh: torch.save(document, fresh))


def read_checkpoint(slot: CheckpointSlot) -> Checkpoint | None:
    """Return the newest undamaged checkpoint of this run, on the CPU; None if there is none.

    Raises:
        CheckpointError: the checkpoint belongs to another run.
    """
    for file in checkpoint_files(slot.path):
        checkpoint = _read_checkpoint_file(file)
        if checkpoint is None:
            continue
        if checkpoint.key != slot.key:
            raise CheckpointError(
                f"{file} belongs to another run: its key is {checkpoint.key[:12]}, not {slot.key[:12]}.",
                hint="Give every run a folder of its own.",
            )
        return checkpoint
    return None


def _read_checkpoint_file(file: Path) -> Checkpoint | None:
    """Read one file. Return None if the hash in its name shows damage, or another release wrote it."""
    opened = open_undamaged(file)
    if opened is None:
        logger.warning("%s is damaged or gone: it does not hold what it is named after. The one before is used.", file)
        return None
    with opened:
        try:
            return Checkpoint(**torch.load(opened, map_location="cpu", weights_only=True))
        except DAMAGE as error:
            logger.warning("%s cannot be read (%s). The one before it is used.", file, error)
            return None


def save_state(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict, on the CPU, atomically."""
    with replacing(path) as fresh:
        torch.save(portable(state), fresh)


def load_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict, on the CPU.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    state: dict[str, Tensor] = load_document(path)
    return state


def save_network(network: InterroGateNetwork, path: Path) -> None:
    """Write a gated network so that :func:`load_network` needs nothing else."""
    document = {
        "architecture": to_json(network.architecture),
        "layout": asdict(network.layout),
        "state": portable(network.state_dict()),
    }
    with replacing(path) as fresh:
        torch.save(document, fresh)


def load_network(path: Path) -> InterroGateNetwork:
    """Read a gated network, in evaluation mode on the CPU, with its gates frozen.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    document = load_document(path)
    try:
        architecture = from_json(Architecture, document["architecture"])
        # Every weight is in the file, so none is fetched only to be replaced.
        untrained = replace(architecture, pretrained=False, weights=None)
        network = build_gated_network(untrained, GateLayout(**document["layout"]))
        network.architecture = architecture
        network.load_state_dict(document["state"])
    except DAMAGE as error:
        raise CheckpointError(f"{path} does not hold a gated network: {error}") from error
    network.freeze_gates()
    return network.eval()


def portable(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state in the form of files: detached, on the CPU, in the plain layout."""
    # On a GPU weights are stored channels last. Files hold the plain layout.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def load_document(path: Path) -> Any:
    """Read a document that ``torch.save`` wrote, on the CPU.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    try:
        # weights_only: a file of weights may come from elsewhere, and a full unpickling would run its code.
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist.") from error
    except DAMAGE as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="Train again to replace it.") from error
